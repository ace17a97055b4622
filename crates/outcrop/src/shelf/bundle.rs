//! The files of an embedding model as sentence-transformers lays them out: in a folder of the operator's own, or in a
//! zip file, in which they may lie in a folder. Sizes are bounded: a zip file may say anything.

use super::gguf::Flaw;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

pub const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
#[cfg(feature = "local")]
const SENTENCES: &str = "sentence_bert_config.json";
#[cfg(feature = "local")]
const POOLING: &str = "1_Pooling/config.json";
/// Larger weights are no small model's. Bytes.
const MAX_WEIGHTS: u64 = 4 << 30;
/// As large as any of the other files. Bytes.
const MAX_OTHER: u64 = 64 << 20;

/// Where the files lie.
enum Bundle {
    Folder(PathBuf),
    /// The archive, and the folder within it, with its slash.
    Zip(ZipArchive<BufReader<File>>, String),
}

impl Bundle {
    fn open(path: &Path) -> Result<Self, Flaw> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(flaw)?;
        let weights = archive.file_names().filter_map(Result::ok).find_map(|name| {
            let folder = name.strip_suffix(WEIGHTS)?;
            (folder.is_empty() || folder.ends_with('/')).then(|| folder.to_owned())
        });
        let folder = weights.ok_or(Flaw::Damaged("it holds no model.safetensors"))?;
        Ok(Self::Zip(archive, folder))
    }

    /// None where there is no such file.
    fn read(&mut self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Flaw> {
        let mut bytes = Vec::new();
        match self {
            Self::Folder(folder) => match File::open(folder.join(name)) {
                Ok(file) => file.take(most.saturating_add(1)).read_to_end(&mut bytes)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            },
            Self::Zip(archive, folder) => match archive.by_name(&format!("{folder}{name}")) {
                Ok(member) => member.take(most.saturating_add(1)).read_to_end(&mut bytes)?,
                Err(ZipError::FileNotFound) => return Ok(None),
                Err(error) => return Err(flaw(error)),
            },
        };
        match bytes.len() as u64 <= most {
            true => Ok(Some(bytes)),
            false => Err(Flaw::Damaged("one of its files is too large")),
        }
    }
}

/// Whether everything is there that a model needs.
pub fn look(path: &Path) -> Result<(), Flaw> {
    let mut bundle = Bundle::open(path)?;
    for name in [CONFIG, TOKENIZER] {
        if bundle.read(name, MAX_OTHER)?.is_none() {
            return Err(Flaw::Damaged("it holds no config.json or no tokenizer.json"));
        }
    }
    let is_there = match &bundle {
        Bundle::Folder(folder) => folder.join(WEIGHTS).is_file(),
        Bundle::Zip(..) => true,
    };
    if is_there { Ok(()) } else { Err(Flaw::Damaged("it holds no model.safetensors")) }
}

/// What the files hold.
#[cfg(feature = "local")]
pub fn files(path: &Path) -> Result<models::local::embedding::Files, Flaw> {
    let mut bundle = Bundle::open(path)?;
    let missing = || Flaw::Damaged("one of its files is missing");
    Ok(models::local::embedding::Files {
        weights: bundle.read(WEIGHTS, MAX_WEIGHTS)?.ok_or_else(missing)?,
        config: bundle.read(CONFIG, MAX_OTHER)?.ok_or_else(missing)?,
        tokenizer: bundle.read(TOKENIZER, MAX_OTHER)?.ok_or_else(missing)?,
        sentences: bundle.read(SENTENCES, MAX_OTHER)?,
        pooling: bundle.read(POOLING, MAX_OTHER)?,
    })
}

fn flaw(error: ZipError) -> Flaw {
    match error {
        ZipError::Io(error) => error.into(),
        _ => Flaw::Damaged("it is no zip file, or a broken one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn zip_with(path: &Path, members: &[&str]) {
        let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
        for name in members {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(name.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn a_zip_file_is_looked_into_wherever_its_files_lie() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        for within in ["", "model/"] {
            let named = |name: &str| format!("{within}{name}");
            let members = [WEIGHTS, CONFIG, TOKENIZER, "1_Pooling/config.json"].map(named);
            zip_with(&path, &members.each_ref().map(String::as_str));
            assert!(look(&path).is_ok());
            let mut bundle = Bundle::open(&path).unwrap();
            assert_eq!(bundle.read(CONFIG, 100).unwrap().unwrap(), named(CONFIG).as_bytes());
            assert_eq!(bundle.read("other", 100).unwrap(), None);
            assert!(bundle.read(CONFIG, 3).is_err());
            zip_with(&path, &[&members[0], &members[1]]);
            assert!(look(&path).is_err_and(|flaw| flaw.to_string().contains("no tokenizer.json")));
        }
        zip_with(&path, &["x/not-model.safetensors"]);
        assert!(look(&path).is_err_and(|flaw| flaw.to_string().contains("no model.safetensors")));
        std::fs::write(&path, "GGUF, or anything").unwrap();
        assert!(look(&path).is_err_and(|flaw| flaw.to_string().contains("no zip file")));
    }

    #[test]
    fn a_folder_is_as_good() {
        let folder = tempfile::tempdir().unwrap();
        assert!(look(folder.path()).is_err());
        for name in [CONFIG, TOKENIZER] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        assert!(look(folder.path()).is_err_and(|flaw| flaw.to_string().contains("no model.safetensors")));
        std::fs::write(folder.path().join(WEIGHTS), "").unwrap();
        assert!(look(folder.path()).is_ok());
    }
}
