//! What a file is: the client's word where it said something, else what its name ends in.

use super::File;

/// A file as a model is shown it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileContent {
    pub filename: String,
    /// `image/png`, …; `application/octet-stream` where nothing is known.
    pub media_type: String,
    pub bytes: Vec<u8>,
}

const UNKNOWN: &str = "application/octet-stream";

/// What models are told apart by.
const BY_ENDING: [(&str, &str); 15] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("pdf", "application/pdf"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("xml", "text/xml"),
    ("py", "text/x-python"),
    ("wav", "audio/wav"),
];

/// Without parameters, in lower case where it is ours.
pub(super) fn media_type(file: &File) -> &str {
    let said = file.media_type.as_deref().and_then(|said| said.split(';').next()).map(str::trim);
    match said {
        Some(said) if said.contains('/') && !said.eq_ignore_ascii_case(UNKNOWN) => said,
        _ => by_ending(&file.filename),
    }
}

fn by_ending(filename: &str) -> &'static str {
    let ending = filename.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    BY_ENDING.iter().find(|(known, _)| *known == ending).map_or(UNKNOWN, |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Timestamp;

    #[test]
    fn the_clients_word_counts_and_then_the_name() {
        let file = |filename: &str, said: Option<&str>| File {
            id: String::new(),
            created_at: Timestamp(0),
            expires_at: None,
            filename: filename.to_owned(),
            purpose: "vision".to_owned(),
            media_type: said.map(str::to_owned),
            size: 0,
            parts: Vec::new(),
        };
        for (filename, said, wanted) in [
            ("a.png", Some("image/jpeg; x=y"), "image/jpeg"),
            ("a.PNG", None, "image/png"),
            ("a.png", Some("application/octet-stream"), "image/png"),
            ("a.png", Some("pdf"), "image/png"),
            ("png", None, UNKNOWN),
            ("a.b.c", None, UNKNOWN),
        ] {
            assert_eq!(media_type(&file(filename, said)), wanted, "{filename} {said:?}");
        }
    }
}
