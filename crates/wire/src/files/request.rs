//! Requests for files and uploads: an object in, a value out, or the first fault. A form's fields make an object too.

use super::{Anchor, Purpose};
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};
use std::time::Duration;

/// The largest upload, bytes.
pub const MAX_UPLOAD: u64 = 8 << 30;
/// The longest name of a file, in characters.
pub const MAX_FILENAME: usize = 512;
const MAX_MEDIA_TYPE: usize = 256;
/// Parts that one upload may be made of.
const MAX_PARTS: usize = 10_000;
const MD5_DIGITS: usize = 32;

/// A file's life, in seconds.
const MIN_LIFE: u64 = 3600;
const MAX_LIFE: u64 = 30 * 24 * 3600;

/// What a form says beside the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileCreate {
    pub purpose: Purpose,
    pub expires_after: Option<Duration>,
}

impl FileCreate {
    pub fn read(fields: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(fields);
        let purpose = object.required("purpose")?.word()?;
        let expires_after = expires_after(&mut object, purpose)?;
        object.finish()?;
        Ok(Self { purpose, expires_after })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadCreate {
    pub bytes: u64,
    /// Safe to be a name.
    pub filename: String,
    pub mime_type: String,
    pub purpose: Purpose,
    pub expires_after: Option<Duration>,
}

impl UploadCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let bytes = object.required("bytes")?.integer(1, MAX_UPLOAD)?;
        let filename = object.required("filename")?.short_text(MAX_FILENAME)?;
        let mime_type = object.required("mime_type")?.short_text(MAX_MEDIA_TYPE)?;
        let purpose = object.required("purpose")?.word()?;
        let expires_after = expires_after(&mut object, purpose)?;
        object.finish()?;
        Ok(Self { bytes, filename: plain_name(&filename), mime_type, purpose, expires_after })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadComplete {
    pub part_ids: Vec<String>,
    /// Hex digits.
    pub md5: Option<String>,
}

impl UploadComplete {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let parts = object.required("part_ids")?.sized_array("an array of strings", 1, MAX_PARTS)?;
        let part_ids = parts.into_iter().map(Node::string).collect::<Result<_, _>>()?;
        let md5 = match object.present("md5") {
            None => None,
            Some(node) => {
                let path = node.path().to_owned();
                let text = node.short_string(MD5_DIGITS)?;
                if text.len() != MD5_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    let message = format!("Invalid '{path}': expected {MD5_DIGITS} hexadecimal digits.");
                    return Err(Fault::at(&path, message));
                }
                Some(text)
            }
        };
        object.finish()?;
        Ok(Self { part_ids, md5 })
    }
}

/// Batches do not live longer than files may.
fn expires_after(object: &mut Object, purpose: Purpose) -> Result<Option<Duration>, Fault> {
    let Some(node) = object.present("expires_after") else {
        return Ok((purpose == Purpose::Batch).then_some(Duration::from_secs(MAX_LIFE)));
    };
    let mut object = node.object()?;
    object.required("anchor")?.word::<Anchor>()?;
    let seconds = object.required("seconds")?.integer(MIN_LIFE, MAX_LIFE)?;
    object.finish()?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// A form's fields as an object: `a[b]` is the field `b` of `a`, and what is written as a whole number is one.
pub fn fields(pairs: Vec<(String, String)>) -> Result<Map<String, Value>, Fault> {
    let mut map = Map::new();
    for (name, text) in pairs {
        let value = text.parse::<i64>().map_or(Value::String(text), Value::from);
        let taken = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            None => map.insert(name.clone(), value).is_some(),
            Some((outer, inner)) => match map.entry(outer).or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(object) => object.insert(inner.to_owned(), value).is_some(),
                _ => true,
            },
        };
        if taken {
            return Err(twice(&name));
        }
    }
    Ok(map)
}

/// The fault of a field that stands there twice.
pub fn twice(name: &str) -> Fault {
    Fault::at(name, "The form of your request contains a field more than once.")
}

/// A name without folders, without what steers a terminal, and not longer than names may be.
pub fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !steers(*c)).take(MAX_FILENAME).collect();
    match plain.trim() {
        "" | "." | ".." => "file".to_owned(),
        plain => plain.to_owned(),
    }
}

/// Control characters, and those that turn the direction of writing.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn create(given: &[(&str, &str)]) -> Result<FileCreate, (String, Option<String>)> {
        let read = fields(pairs(given)).and_then(FileCreate::read);
        read.map_err(|fault| (fault.message, fault.param))
    }

    #[test]
    fn a_form_is_an_object() {
        let made = create(&[
            ("expires_after[anchor]", "created_at"),
            ("expires_after[seconds]", "3600"),
            ("purpose", "vision"),
        ]);
        let wanted = FileCreate { purpose: Purpose::Vision, expires_after: Some(Duration::from_secs(3600)) };
        assert_eq!(made, Ok(wanted));
    }

    #[test]
    fn only_batches_end_by_themselves() {
        assert_eq!(create(&[("purpose", "user_data")]).unwrap().expires_after, None);
        assert_eq!(create(&[("purpose", "batch")]).unwrap().expires_after, Some(Duration::from_secs(2_592_000)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases: [(&[(&str, &str)], &str); 7] = [
            (&[], "purpose"),
            (&[("purpose", "nothing")], "purpose"),
            (&[("purpose", "batch"), ("expires_after", "1")], "expires_after"),
            (&[("purpose", "batch"), ("expires_after[anchor]", "created_at")], "expires_after.seconds"),
            (
                &[("purpose", "batch"), ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "3599")],
                "expires_after.seconds",
            ),
            (&[("purpose", "batch"), ("purpose", "batch")], "purpose"),
            (&[("purpose", "batch"), ("other", "x")], "other"),
        ];
        for (given, param) in cases {
            assert_eq!(create(given).unwrap_err().1.as_deref(), Some(param), "{given:?}");
        }
    }

    #[test]
    fn names_stay_names() {
        for (name, plain) in [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.txt", "y.txt"),
            ("a\r\nb\u{0}\u{202e}.txt", "ab.txt"),
            ("äöü 日本.txt", "äöü 日本.txt"),
            ("", "file"),
            ("a/", "file"),
            ("..", "file"),
        ] {
            assert_eq!(plain_name(name), plain, "{name:?}");
        }
        assert_eq!(plain_name(&"x".repeat(600)).len(), MAX_FILENAME);
    }

    #[test]
    fn an_upload_says_what_it_will_be() {
        let body = |value: Value| match value {
            Value::Object(map) => map,
            _ => unreachable!(),
        };
        let good = json!({"bytes": 10, "filename": "a/b.txt", "mime_type": "text/plain", "purpose": "assistants"});
        assert_eq!(UploadCreate::read(body(good.clone())).unwrap().filename, "b.txt");
        for (key, value) in [
            ("bytes", json!(0)),
            ("bytes", json!(8_589_934_593_u64)),
            ("bytes", json!("10")),
            ("filename", json!("")),
            ("mime_type", json!(null)),
            ("purpose", json!("assistants_output")),
        ] {
            let mut bad = body(good.clone());
            bad.insert(key.to_owned(), value);
            assert_eq!(UploadCreate::read(bad).unwrap_err().param.as_deref(), Some(key));
        }
        for md5 in [json!("x".repeat(32)), json!("0"), json!(1)] {
            let complete = UploadComplete::read(body(json!({"part_ids": ["part_1"], "md5": md5})));
            assert_eq!(complete.unwrap_err().param.as_deref(), Some("md5"));
        }
        assert_eq!(UploadComplete::read(body(json!({"part_ids": []}))).unwrap_err().param.as_deref(), Some("part_ids"));
    }
}
