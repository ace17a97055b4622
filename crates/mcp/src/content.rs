//! What a tool returned, in the parts that a model is shown: text and images; of everything else, what it is.

use crate::failure::quoted;
use serde_json::Value;
use types::Content;

/// Parts of one answer; more are counted, not shown.
const PARTS: usize = 1_000;

/// Reads a list of content blocks. A block that is not understood becomes a line that says so.
pub(crate) fn parts(content: Option<&Value>) -> Vec<Content> {
    let Some(Value::Array(blocks)) = content else { return Vec::new() };
    let mut parts: Vec<Content> = blocks.iter().take(PARTS).map(part).collect();
    if blocks.len() > PARTS {
        parts.push(text(format!("[{} more parts are left out]", blocks.len() - PARTS)));
    }
    parts
}

fn text(text: impl Into<String>) -> Content {
    Content::Text { text: text.into() }
}

fn part(block: &Value) -> Content {
    let field = |key: &str| block[key].as_str().unwrap_or_default();
    match field("type") {
        "text" => text(field("text")),
        "image" => image(field("mimeType"), field("data")),
        "audio" => text(format!("[audio, {}, not shown]", kind(field("mimeType")))),
        "resource_link" => link(block),
        "resource" => resource(&block["resource"]),
        other => text(format!("[a part of type `{}`, not shown]", quoted(other))),
    }
}

/// Only what models are shown as images becomes one.
fn image(mime: &str, data: &str) -> Content {
    let known = matches!(mime, "image/png" | "image/jpeg" | "image/gif" | "image/webp");
    let plain = !data.is_empty() && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    if known && plain {
        return Content::Image { image_url: format!("data:{mime};base64,{data}") };
    }
    text(format!("[an image, {}, not shown]", kind(mime)))
}

fn kind(mime: &str) -> String {
    if mime.is_empty() { "of no stated type".to_owned() } else { quoted(mime) }
}

fn link(block: &Value) -> Content {
    let mut said = format!("[resource {}", quoted(block["uri"].as_str().unwrap_or_default()));
    for key in ["title", "name", "mimeType", "description"] {
        if let Some(value) = block[key].as_str() {
            said.push_str(&format!("; {key}: {}", quoted(value)));
        }
    }
    said.push(']');
    text(said)
}

fn resource(resource: &Value) -> Content {
    let (uri, mime) = (resource["uri"].as_str().unwrap_or_default(), resource["mimeType"].as_str().unwrap_or_default());
    if let Some(said) = resource["text"].as_str() {
        return text(format!("[resource {}]\n{said}", quoted(uri)));
    }
    match resource["blob"].as_str() {
        Some(data) if mime.starts_with("image/") => image(mime, data),
        Some(data) => {
            text(format!("[resource {}, {}, {} bytes, not shown]", quoted(uri), kind(mime), data.len() / 4 * 3))
        }
        None => text(format!("[resource {}]", quoted(uri))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(block: Value) -> Content {
        parts(Some(&json!([block]))).remove(0)
    }

    #[test]
    fn blocks_become_text_and_images() {
        assert_eq!(one(json!({"type": "text", "text": "a"})), text("a"));
        let image = one(json!({"type": "image", "mimeType": "image/png", "data": "AAAA"}));
        assert_eq!(image, Content::Image { image_url: "data:image/png;base64,AAAA".to_owned() });
        for (block, expected) in [
            (json!({"type": "image", "mimeType": "text/html", "data": "AAAA"}), "[an image, text/html, not shown]"),
            (json!({"type": "image", "mimeType": "image/png", "data": "\" x"}), "[an image, image/png, not shown]"),
            (json!({"type": "audio", "mimeType": "audio/wav", "data": "AA"}), "[audio, audio/wav, not shown]"),
            (json!({"type": "resource_link", "uri": "file:///a", "name": "a"}), "[resource file:///a; name: a]"),
            (json!({"type": "resource", "resource": {"uri": "x:y", "text": "hello"}}), "[resource x:y]\nhello"),
            (
                json!({"type": "resource", "resource": {"uri": "x:y", "blob": "AAAAAAAA"}}),
                "[resource x:y, of no stated type, 6 bytes, not shown]",
            ),
            (json!({"type": "new"}), "[a part of type `new`, not shown]"),
            (json!(7), "[a part of type ``, not shown]"),
        ] {
            assert_eq!(one(block), text(expected));
        }
    }

    #[test]
    fn parts_are_bounded() {
        let many = json!(vec![json!({"type": "text", "text": "a"}); PARTS + 5]);
        assert_eq!(parts(Some(&many)).len(), PARTS + 1);
        assert!(parts(None).is_empty() && parts(Some(&json!("x"))).is_empty());
    }
}
