//! Moments as RFC 3339 writes them, read and written. Pure.

use types::Timestamp;

/// None where it is no such moment, or lies before 1970.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 || bytes.len() > 64 {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().all(u8::is_ascii_digit).then(|| text.get(from..to)?.parse().ok()).flatten()
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // A leap second is the end of the one before.
    if !(1..=12).contains(&month) || day < 1 || day > length(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut millis = 0;
    if is(at, b".") {
        let end = (at + 1..bytes.len()).find(|index| !bytes[*index].is_ascii_digit()).unwrap_or(bytes.len());
        let digits = text.get(at + 1..end).filter(|digits| !digits.is_empty())?;
        millis = format!("{digits}000").get(..3)?.parse().ok()?;
        at = end;
    }
    let offset = match bytes.get(at..)? {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59) - offset;
    u64::try_from(seconds * 1000 + millis).ok().map(Timestamp)
}

/// `2030-01-01T00:00:00Z`.
pub(crate) fn write(at: Timestamp) -> String {
    let (mut day, second) = (at.seconds() / 86_400, at.seconds() % 86_400);
    let mut year: i64 = 1970 + i64::try_from(day / 146_097).unwrap_or_default() * 400;
    day %= 146_097;
    let mut left = i64::try_from(day).unwrap_or_default();
    let of_year = |year| if is_leap(year) { 366 } else { 365 };
    while left >= of_year(year) {
        left -= of_year(year);
        year += 1;
    }
    let mut month = 1;
    while left >= length(year, month) {
        left -= length(year, month);
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", left + 1)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| year * 365 + year / 4 - year / 100 + year / 400;
    let months: i64 = (1..month).map(|month| length(year, month)).sum();
    before(year - 1) - before(1969) + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2026-11-23T01:12:07Z", 1_795_396_327_000),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000),
        ] {
            assert_eq!(read(text), Some(Timestamp(millis)), "{text}");
            assert_eq!(write(Timestamp(millis)), text);
        }
        for (text, millis) in [
            ("1970-01-01t00:00:00.5z", 500),
            ("1970-01-01 00:00:01.123456789Z", 1123),
            ("1970-01-01T02:00:00+01:30", 1_800_000),
            ("1969-12-31T23:00:00-01:00", 0),
            ("1998-12-31T23:59:60Z", 915_148_799_000),
        ] {
            assert_eq!(read(text), Some(Timestamp(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2030-01-01",
            "2030-01-01T00:00:00",
            "2030-13-01T00:00:00Z",
            "2030-02-29T00:00:00Z",
            "2030-01-00T00:00:00Z",
            "2030-01-01T24:00:00Z",
            "2030-01-01T00:00:00+1:00",
            "2030-01-01T00:00:00.Z",
            "2030-01-01T00:00:00Zx",
            "+030-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "ünicode-01-01T00:00:00Z",
            "2030-01-01T00:00:00.0é",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
