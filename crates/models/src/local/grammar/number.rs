//! Numbers as decimal text: which digit may follow, so that a number that fits can still come of it.
//!
//! At most 15 digits, so that every number is its own nearest double and comparing decimals is comparing doubles; no
//! exponents. Bounds are tightened to what can be written so.

/// Digits of one number.
const DIGITS: u32 = 15;
/// Digits after the point where no bound asks for more, and where one does.
const USUAL_SCALE: u32 = 6;
const MOST_SCALE: u32 = 12;
/// Larger than every number that is written, in the finest units.
const FAR: i128 = 10_i128.pow(DIGITS + MOST_SCALE);

/// `units / 10^scale`, exactly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// None: more digits than are compared here.
    pub fn of(number: &serde_json::Number) -> Option<Self> {
        let text = number.to_string();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text.as_str(), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let mut units: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        if scale < 0 {
            units = units.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?;
        }
        let scale = u32::try_from(scale.max(0)).ok()?;
        // Beyond this, sums and products of two would not be exact any more.
        (units.abs() <= 10_i128.pow(20) && scale <= 18).then_some(Self { units, scale })
    }

    pub fn compare(self, other: Self) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        (self.units * 10_i128.pow(scale - self.scale)).cmp(&(other.units * 10_i128.pow(scale - other.scale)))
    }

    pub fn is_multiple_of(self, other: Self) -> bool {
        let scale = self.scale.max(other.scale);
        let other = other.units * 10_i128.pow(scale - other.scale);
        other != 0 && (self.units * 10_i128.pow(scale - self.scale)) % other == 0
    }

    pub fn is_positive(self) -> bool {
        self.units > 0
    }

    fn floor(self, scale: u32) -> i128 {
        if scale >= self.scale {
            self.units.saturating_mul(10_i128.pow(scale - self.scale))
        } else {
            self.units.div_euclid(10_i128.pow(self.scale - scale))
        }
    }

    fn is_exact(self, scale: u32) -> bool {
        scale >= self.scale || self.units % 10_i128.pow(self.scale - scale) == 0
    }
}

/// What is asked of a number; bounds of several schemas gather here.
#[derive(Clone, Default, Debug)]
pub(super) struct Asked {
    pub integer: bool,
    pub low: Vec<(Decimal, Edge)>,
    pub high: Vec<(Decimal, Edge)>,
    pub multiples: Vec<Decimal>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Edge {
    Included,
    Excluded,
}

/// Numbers from `low` to `high` that are multiples of `step`, all in units of `10^-scale`.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    scale: u32,
    low: i128,
    high: i128,
    step: i128,
}

/// What has been written of a number: its digits as one integer.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Prefix {
    negative: bool,
    digits: u64,
    /// Digits before the point.
    whole: u32,
    /// Digits after it, if it is there.
    fraction: Option<u32>,
}

impl Numbers {
    /// None: no number that is written here fits.
    pub fn new(asked: &Asked) -> Option<Self> {
        let bounds = asked.low.iter().chain(&asked.high).map(|(bound, _)| bound);
        let finest = bounds.chain(&asked.multiples).map(|bound| bound.scale).max().unwrap_or(0);
        let scale = if asked.integer { 0 } else { finest.clamp(USUAL_SCALE, MOST_SCALE) };
        let (mut low, mut high) = (-FAR, FAR);
        for (bound, edge) in &asked.low {
            let is_over = *edge == Edge::Excluded || !bound.is_exact(scale);
            low = low.max(bound.floor(scale) + i128::from(is_over));
        }
        for (bound, edge) in &asked.high {
            let is_over = *edge == Edge::Excluded && bound.is_exact(scale);
            high = high.min(bound.floor(scale) - i128::from(is_over));
        }
        let mut step = 1;
        for multiple in &asked.multiples {
            // The least multiple that can be written at this scale, then the least of both.
            let one = 10_i128.pow(multiple.scale.saturating_sub(scale));
            let units = multiple.units.checked_mul(10_i128.pow(scale.saturating_sub(multiple.scale)))?;
            step = least_common(step, units / common(units, one))?;
        }
        let numbers = Self { scale, low, high, step };
        numbers.missing(Prefix::default()).map(|_| numbers)
    }

    /// What is written after one more byte; None: no number that fits begins so.
    pub fn after(&self, prefix: Prefix, byte: u8) -> Option<Prefix> {
        let next = match (byte, prefix.fraction) {
            (b'-', None) if prefix.whole == 0 && !prefix.negative => Prefix { negative: true, ..prefix },
            (b'.', None) if prefix.whole > 0 && self.fraction_room(prefix) > 0 => {
                Prefix { fraction: Some(0), ..prefix }
            }
            (b'0'..=b'9', _) => {
                let digits = prefix.digits * 10 + u64::from(byte - b'0');
                match prefix.fraction {
                    None if prefix.whole < DIGITS && (prefix.whole == 0 || prefix.digits > 0) => {
                        Prefix { digits, whole: prefix.whole + 1, ..prefix }
                    }
                    Some(written) if written < self.fraction_room(prefix) => {
                        Prefix { digits, fraction: Some(written + 1), ..prefix }
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
        self.missing(next).map(|_| next)
    }

    /// The fewest characters after which the number may end; None: it never may.
    pub fn missing(&self, prefix: Prefix) -> Option<u32> {
        let mut best: Option<u32> = None;
        let mut offer = |cost: u32, is_there: bool| {
            if is_there {
                best = Some(best.map_or(cost, |best| best.min(cost)));
            }
        };
        let written = i128::from(prefix.digits);
        if let Some(fraction) = prefix.fraction {
            for more in u32::from(fraction == 0)..=self.fraction_room(prefix) - fraction {
                let low = written * 10_i128.pow(more);
                offer(more, self.holds(prefix.negative, low, low + 10_i128.pow(more) - 1, fraction + more));
            }
            return best;
        }
        if prefix == Prefix::default()
            && let Some(more) = self.missing(Prefix { negative: true, ..prefix })
        {
            offer(more + 1, true);
        }
        let is_done = prefix.whole == 1 && prefix.digits == 0;
        let most = if is_done { 0 } else { DIGITS - prefix.whole };
        for more in u32::from(prefix.whole == 0)..=most {
            let whole = prefix.whole + more;
            let (low, high) = match prefix.whole {
                0 => (if more == 1 { 0 } else { 10_i128.pow(more - 1) }, 10_i128.pow(more) - 1),
                _ => (written * 10_i128.pow(more), (written + 1) * 10_i128.pow(more) - 1),
            };
            for fraction in 0..=self.fraction_room(Prefix { whole, ..prefix }) {
                let unit = 10_i128.pow(fraction);
                let cost = more + if fraction == 0 { 0 } else { fraction + 1 };
                offer(cost, self.holds(prefix.negative, low * unit, (high + 1) * unit - 1, fraction));
            }
        }
        best
    }

    /// Digits that may stand after the point.
    fn fraction_room(&self, prefix: Prefix) -> u32 {
        self.scale.min(DIGITS - prefix.whole)
    }

    /// Whether a number that fits is between the two, in units of `10^-fraction` and without its sign.
    fn holds(&self, negative: bool, low: i128, high: i128, fraction: u32) -> bool {
        let unit = 10_i128.pow(self.scale - fraction);
        let (least, most) = if negative { ((-self.high).max(1), -self.low) } else { (self.low, self.high) };
        let Some(step) = least_common(unit, self.step) else { return false };
        let (low, high) = ((low * unit).max(least), (high * unit).min(most));
        low <= high && high.div_euclid(step) * step >= low
    }
}

fn common(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

fn least_common(a: i128, b: i128) -> Option<i128> {
    (a / common(a, b)).checked_mul(b)
}
