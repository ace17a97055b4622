//! What travels through a client and back without being its business: what a provider wants back with a reasoning item,
//! and what a conversation came to. It is marked and in base64, not encrypted: a client's own words and its model's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use types::Opaque;

/// Before the content of a reasoning item.
const REASONING: &str = "ocr1.";
/// Before the content of a compaction.
const COMPACTION: &str = "occ1.";

pub fn reasoning(opaque: &Opaque) -> Option<String> {
    let text = serde_json::to_vec(opaque).ok()?;
    Some(format!("{REASONING}{}", URL_SAFE_NO_PAD.encode(text)))
}

/// None for what was not made here: another server's reasoning means nothing to our models.
pub fn read_reasoning(content: &str) -> Option<Opaque> {
    let bytes = URL_SAFE_NO_PAD.decode(content.strip_prefix(REASONING)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

pub fn compaction(text: &str) -> String {
    format!("{COMPACTION}{}", URL_SAFE_NO_PAD.encode(text))
}

/// None for what was not made here.
pub fn read_compaction(content: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(content.strip_prefix(COMPACTION)?).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_goes_out_comes_back() {
        let opaque = Opaque { model: "m".to_owned(), value: json!({ "a": [1, "ü"] }) };
        assert_eq!(read_reasoning(&reasoning(&opaque).unwrap()), Some(opaque));
        assert_eq!(read_compaction(&compaction("Grüße")).as_deref(), Some("Grüße"));
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        for foreign in ["", "gAAAAABo", "ocr1.", "ocr1.!!", "ocr1.e30", &compaction("x")] {
            assert_eq!(read_reasoning(foreign), None, "{foreign}");
        }
        for foreign in ["", "gAAAAABo", "occ1.!!", "occ1._w"] {
            assert_eq!(read_compaction(foreign), None, "{foreign}");
        }
    }
}
