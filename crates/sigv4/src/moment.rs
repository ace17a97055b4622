//! `20261122T103000Z`: the one form of time in a signature.

/// Seconds since 1970 of such a time, from then until 9999.
pub fn read(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    if digits.len() != 16 || digits[8] != b'T' || digits[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        digits[from..to]
            .iter()
            .try_fold(0_u64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second)
}

/// As [`read`] reads it. What is later than 9999 is written as its last second.
pub fn write(seconds: u64) -> String {
    let seconds = seconds.min(253_402_300_799);
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let mut month = 0;
    while day >= lengths(year)[month] {
        day -= lengths(year)[month];
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{:02}{:02}T{hour:02}{minute:02}{second:02}Z", month + 1, day + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Of a year, and of its months.
fn length(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn lengths(year: u64) -> [u64; 12] {
    [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// Days since 1970-01-01.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let lengths = lengths(year);
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day == 0 || day > *lengths.get(before)? {
        return None;
    }
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400 - 477;
    Some((year - 1970) * 365 + leaps + lengths[..before].iter().sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("19700101T000000Z", 0),
            ("20000228T235959Z", 951_782_399),
            ("20000229T000000Z", 951_782_400),
            ("20150830T123600Z", 1_440_938_160),
            ("20261123T011207Z", 1_795_396_327),
            ("21000301T000000Z", 4_107_542_400),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
            assert_eq!(write(expected), text);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "20261123",
            "20261123T011207",
            "2026-11-23T01:12:07Z",
            "20261123t011207Z",
            "20261323T011207Z",
            "20260023T011207Z",
            "20260229T011207Z",
            "20260200T011207Z",
            "20261123T241207Z",
            "20261123T016007Z",
            "20261123T011260Z",
            "19691231T235959Z",
            "2026112äT01120Z",
            "+0261123T011207Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
