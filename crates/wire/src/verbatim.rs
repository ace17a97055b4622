//! JSON that is not ours: written as it came, to the letter.

use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;

/// The text of one JSON value. Key order, big integers and trailing zeros stay as they are.
#[derive(Clone, Copy, Debug)]
pub struct Verbatim<'a>(pub &'a str);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::Verbatim;

    #[test]
    fn nothing_is_rewritten() {
        let text = r#"{"z":1,"a":123456789012345678901234567890,"m":1.10}"#;
        assert_eq!(serde_json::to_string(&Verbatim(text)).unwrap(), text);
        assert!(serde_json::to_string(&Verbatim("{")).is_err());
    }
}
