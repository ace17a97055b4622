//! Shapes told apart, and what is said where a value differs.
use super::*;
use serde_json::json;

const TEXT: &str = "\
# comment
A = {id: str, n~: int | null, tag?: \"x\" | \"y\", parts: [B | C], map: {str}}
B = {type: \"b\", text: str}
C = {type: \"c\", size: int}
";

fn said(value: &Value) -> Vec<String> {
    let shapes = Shapes::read(TEXT).unwrap();
    shapes.faults("A", value).into_iter().map(|fault| format!("{} {}", fault.path, fault.what)).collect()
}

#[test]
fn what_fits_has_no_faults() {
    let parts = json!([{"type": "b", "text": "x", "more": 1}, {"type": "c", "size": 3}]);
    assert_eq!(said(&json!({"id": "a", "n": null, "parts": parts, "map": {"k": "v"}, "else": []})), [""; 0]);
    assert_eq!(said(&json!({"id": "a", "n": 7, "tag": "y", "parts": [], "map": {}})), [""; 0]);
}

#[test]
fn what_does_not_fit_is_named() {
    let good = json!({"id": "a", "n": null, "parts": [], "map": {}});
    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        said(&changed)
    };
    assert_eq!(with("id", json!(7)), [".id is 7, not text"]);
    assert_eq!(with("n", json!(7.5)), [".n is 7.5, not a whole number | null"]);
    assert_eq!(with("tag", json!("z")), [".tag is \"z\", not \"x\" | \"y\""]);
    assert_eq!(with("map", json!({"k": 1})), [".map.k is 1, not text"]);
    assert_eq!(with("parts", json!([{"type": "d"}])), [".parts[0] is an object of type \"d\", not B | C"]);
    assert_eq!(with("parts", json!([{"type": "c"}])), [".parts[0].size is missing"]);
    assert_eq!(said(&json!([])), [" is a list, not an object"]);
    let faults = Shapes::read(TEXT).unwrap().faults("A", &json!({"id": "a", "parts": [], "map": {}}));
    assert_eq!(faults.len(), 1);
    assert!(faults[0].mild && faults[0].path == ".n");
}

#[test]
fn notation_that_is_wrong_is_an_error() {
    for line in ["A str", "A = {id: }", "A = [str", "A = \"x", "A = str]"] {
        assert!(Shapes::read(line).is_err(), "{line}");
    }
}

#[test]
fn every_name_in_the_file_has_a_shape() {
    fn names<'a>(shape: &'a Shape, found: &mut Vec<&'a str>) {
        match shape {
            Shape::Named(name) => found.push(name),
            Shape::List(of) | Shape::Map(of) => names(of, found),
            Shape::Object(fields) => fields.iter().for_each(|field| names(&field.shape, found)),
            Shape::OneOf(shapes) => shapes.iter().for_each(|shape| names(shape, found)),
            _ => {}
        }
    }
    let shapes = Shapes::load().unwrap();
    assert!(shapes.0.len() > 150);
    assert_eq!(shapes.tags("AgentSessionEvent").len(), 34);
    for shape in shapes.0.values() {
        let mut found = Vec::new();
        names(shape, &mut found);
        assert!(found.iter().all(|name| shapes.0.contains_key(*name)), "{found:?}");
    }
}
