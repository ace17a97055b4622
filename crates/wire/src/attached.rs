//! Images and files that stand in a request itself: as URLs, or as data in base64. What is taken here is passed on to
//! models as it is, so what no model could read is refused with its place.

use crate::Fault;
use crate::reader::Node;

/// An `http` or `https` URL, or a data URL of an image.
pub fn image_url(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let url = node.text()?;
    let Some(data) = without_prefix(&url, "data:") else {
        return if is_url(&url) {
            Ok(url)
        } else {
            let text = format!("Invalid '{path}'. Expected a valid URL, but got a value with an invalid format.");
            Err(Fault::at(&path, text))
        };
    };
    match encoded(data) {
        Some((kind, data)) if without_prefix(kind, "image/").is_some() && is_base64(data) => Ok(url),
        _ => Err(Fault::at(
            &path,
            format!(
                "Invalid '{path}'. Expected a base64-encoded data URL of an image (such as 'data:image/png;base64,...')."
            ),
        )),
    }
}

/// Base64, or a data URL.
pub fn file_data(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let text = node.text()?;
    let data = match without_prefix(&text, "data:") {
        Some(data) => encoded(data).map(|(_, data)| data),
        None => Some(text.as_str()),
    };
    if data.is_some_and(is_base64) {
        return Ok(text);
    }
    let text = format!(
        "Invalid '{path}'. Expected base64, or a base64-encoded data URL (such as 'data:application/pdf;base64,...')."
    );
    Err(Fault::at(&path, text))
}

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The kind and the data of what follows `data:`.
fn encoded(text: &str) -> Option<(&str, &str)> {
    let (head, data) = text.split_once(',')?;
    let at = head.len().checked_sub(";base64".len())?;
    let (kind, coding) = head.split_at_checked(at)?;
    coding.eq_ignore_ascii_case(";base64").then_some((kind, data))
}

fn is_url(text: &str) -> bool {
    let rest = without_prefix(text, "https://").or_else(|| without_prefix(text, "http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    host.is_some_and(|host| !host.is_empty()) && !text.chars().any(|of| of.is_whitespace() || of.is_control())
}

/// With its padding or without; not empty. It is looked at, not decoded: it may be large, and nobody here reads it.
pub fn is_base64(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    let padding = text.len() - bare.len();
    let fits = match bare.len() % 4 {
        0 => padding == 0,
        2 => padding == 0 || padding == 2,
        3 => padding <= 1,
        _ => false,
    };
    fits && !bare.is_empty() && bare.bytes().all(|of| of.is_ascii_alphanumeric() || of == b'+' || of == b'/')
}

#[cfg(test)]
mod tests {
    use super::{file_data, image_url};
    use crate::Fault;
    use crate::reader::{Node, Object};
    use serde_json::json;

    fn node(value: &str) -> Node {
        Object::root(json!({ "x": value }).as_object().unwrap().clone()).required("x").unwrap()
    }

    fn refused(read: fn(Node) -> Result<String, Fault>, values: &[&str]) {
        for value in values {
            assert!(read(node(value)).is_err(), "{value:?} was taken");
        }
    }

    fn taken(read: fn(Node) -> Result<String, Fault>, values: &[&str]) {
        for value in values {
            assert_eq!(read(node(value)).unwrap(), *value);
        }
    }

    #[test]
    fn an_image_is_a_url_or_data() {
        taken(
            image_url,
            &[
                "https://example.com/a.png?b#c",
                "HTTP://example.com",
                "http://[::1]:8/x",
                "data:image/png;base64,aGk=",
                "data:image/svg+xml;charset=utf-8;base64,aGkh",
                "DATA:IMAGE/png;BASE64,aGk",
            ],
        );
        refused(
            image_url,
            &[
                "",
                "u",
                "ftp://example.com/a",
                "https://",
                "https:///a",
                "https://a b",
                "data:",
                "data:image/png,abc",
                "data:text/plain;base64,aGk=",
                "data:image/png;base64,",
                "data:image/png;base64,a",
                "data:image/png;base64,a$k=",
                "file:///etc/passwd",
                "é",
                "dataé",
                "data:image/png;base64é,aGk=",
            ],
        );
    }

    #[test]
    fn a_file_is_base64() {
        taken(file_data, &["aGk=", "aGk", "aGkh", "data:application/pdf;base64,aGk=", "data:;base64,aGk="]);
        refused(
            file_data,
            &["", "a", "aGk==", "aG=k", "====", "a b=", "data:application/pdf,abc", "data:application/pdf;base64,?"],
        );
    }
}
