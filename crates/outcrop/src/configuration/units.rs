//! Sizes, durations and prices as people write them. Whole numbers throughout: nothing here passes through a float.

use std::time::Duration;

/// A number with a unit, or why it is none.
type Parsed<T> = Result<T, String>;

/// `64MiB`, `512 KiB`, `10MB`, `4096B`; a bare number is refused, because nobody knows what it means.
pub fn size(text: &str) -> Parsed<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    measure(text, &UNITS).ok_or_else(|| {
        format!("`{text}` is not a size; write a whole number and a unit of B, KiB, MiB, GiB, KB, MB or GB, such as \"64MiB\"")
    })
}

/// `250ms`, `5s`, `30m`, `8h`, `2d`.
pub fn duration(text: &str) -> Parsed<Duration> {
    const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    measure(text, &UNITS).map(Duration::from_millis).ok_or_else(|| {
        format!("`{text}` is not a duration; write a whole number and a unit of ms, s, m, h or d, such as \"30s\"")
    })
}

fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// USD per million tokens, as it stands in the file, to nano-dollars a token. What is finer than a nano-dollar is
/// rounded up, so that a budget is never overrun by rounding.
pub fn price(text: &str) -> Parsed<u64> {
    let wrong =
        || format!("`{text}` is not a price; write US dollars per million tokens as a plain decimal, such as 0.50");
    if text.starts_with('-') {
        return Err(format!("a price cannot be negative, and this is {text}"));
    }
    let plain: String = text.trim_start_matches('+').chars().filter(|c| *c != '_').collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(3));
    let nano = format!("{whole}{kept:0<3}").parse::<u64>().map_err(|_| wrong())?;
    let finer = rest.bytes().any(|b| b != b'0');
    nano.checked_add(u64::from(finer))
        .filter(|nano| *nano <= MAX_PRICE)
        .ok_or_else(|| format!("{text} is more than a million US dollars per million tokens"))
}

/// A dollar a token: beyond it something is wrong, and below it no sum of a turn overflows.
const MAX_PRICE: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("64MiB", Some(67_108_864)),
            ("512 KiB", Some(524_288)),
            ("1MB", Some(1_000_000)),
            ("7B", Some(7)),
            ("0B", Some(0)),
            ("64", None),
            ("MiB", None),
            ("", None),
            ("-1MiB", None),
            ("1.5MiB", None),
            ("64mib", None),
            ("99999999999999999999GiB", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("250ms", Some(250)),
            ("5s", Some(5_000)),
            ("2 m", Some(120_000)),
            ("8h", Some(28_800_000)),
            ("1d", Some(86_400_000)),
            ("5", None),
            ("s", None),
            ("5 weeks", None),
            ("5é", None),
        ] {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn prices_keep_every_digit() {
        for (text, expected) in [
            ("0.50", Some(500)),
            ("0.05", Some(50)),
            ("1.50", Some(1500)),
            ("15", Some(15_000)),
            ("0.0375", Some(38)),
            ("0.0370", Some(37)),
            ("0.0000001", Some(1)),
            ("1_000.0", Some(1_000_000)),
            ("+1.0", Some(1000)),
            ("0", Some(0)),
            ("1000000", Some(1_000_000_000)),
            ("1000000.001", None),
            ("-0.5", None),
            ("nan", None),
            ("inf", None),
            ("1e3", None),
            ("0x10", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(price(text).ok(), expected, "{text}");
        }
        assert!(price("-0.5").unwrap_err().contains("negative"));
    }
}
