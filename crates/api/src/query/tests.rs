//! Query strings, good and bad; a bad one is shown by its message.

use super::*;

fn pairs(query: &str) -> Pairs {
    let uri = format!("/x?{query}").parse().unwrap();
    Pairs(Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap().0)
}

#[test]
fn limits_are_clamped_or_checked() {
    let limit = |query: &str, range| pairs(query).page(range).map(|page| page.limit).map_err(|failure| failure.message);
    for (query, clamped) in [("", 20), ("limit=0", 1), ("limit=1", 1), ("limit=100", 100), ("limit=101", 100)] {
        assert_eq!(limit(query, Limit::Clamped), Ok(clamped), "{query}");
    }
    for (query, checked) in [("", Some(20)), ("limit=0", None), ("limit=1", Some(1)), ("limit=101", None)] {
        let expected = checked.ok_or("limit must be between 1 and 100".to_owned());
        assert_eq!(limit(query, Limit::Checked), expected, "{query}");
    }
    for (query, error) in [
        ("limit=x", "limit: invalid digit found in string"),
        ("limit=-1", "limit: invalid digit found in string"),
        ("limit=", "limit: cannot parse integer from empty string"),
        ("limit=99999999999999999999999", "limit: number too large to fit in target type"),
        ("limit=1&limit=1", "duplicate field `limit`"),
    ] {
        for range in [Limit::Clamped, Limit::Checked] {
            assert_eq!(limit(query, range), Err(format!("Failed to deserialize query string: {error}")), "{query}");
        }
    }
}

#[test]
fn order_and_after_are_read_and_the_rest_is_ignored() {
    let page = pairs("order=asc&after=sess%5F1&colour=red&colour=blue").page(Limit::Clamped).unwrap();
    assert_eq!((page.direction, page.after.as_deref()), (Direction::Ascending, Some("sess_1")));
    assert_eq!(pairs("").page(Limit::Clamped).unwrap().direction, Direction::Descending);
    for bad in ["order=", "order=ASC", "order=asc&order=asc", "after=a&after=a"] {
        let failure = pairs(bad).page(Limit::Clamped).unwrap_err();
        assert_eq!((failure.status.as_u16(), failure.param), (400, None), "{bad}");
    }
}

#[test]
fn switches_are_on_until_they_are_turned_off() {
    for (query, expected) in [("", Some(true)), ("o=true", Some(true)), ("o=false", Some(false)), ("o=0", None)] {
        assert_eq!(pairs(query).is_on("o").ok(), expected, "{query}");
    }
}

#[test]
fn metadata_filters_have_the_limits_of_metadata() {
    let wanted = pairs("metadata[a]=1&metadata%5Bb%20c%5D=&metadata=x&limit=3").metadata().unwrap();
    assert_eq!(wanted, [("a".to_owned(), "1".to_owned()), ("b c".to_owned(), String::new())]);
    let many: String = (0..17).map(|i| format!("metadata[k{i}]=v&")).collect();
    for bad in [
        "metadata[]=1",
        "metadata[a]=1&metadata[a]=1",
        &many,
        &format!("metadata[{}]=1", "k".repeat(65)),
        &format!("metadata[a]={}", "v".repeat(513)),
    ] {
        assert_eq!(pairs(bad).metadata().unwrap_err().param.as_deref(), Some("metadata"), "{bad}");
    }
}
