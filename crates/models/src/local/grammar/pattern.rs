//! Patterns of JSON Schema (the regular expressions of ECMA-262) as automata. What is not regular, or not known, is
//! refused with its reason.

use super::dfa::{Dfa, is_written};
use super::fuel::{Fuel, TooLarge};
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

const MOST_CHARACTERS: usize = 2_000;
const MOST_DEPTH: usize = 40;
/// Copies that `{n,m}` may make of what it repeats, in sum.
const MOST_NODES: usize = 4_000;

type Ranges = Vec<(u32, u32)>;

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Characters(Ranges),
    Sequence(Vec<Piece>),
    Choice(Vec<Piece>),
    Repeat(Box<Piece>, u32, Option<u32>),
    Start,
    End,
}

/// The strings in which `pattern` matches somewhere. The reason of an error is for people.
pub(super) fn search(pattern: &str, fuel: &Fuel) -> Result<Dfa, String> {
    let any = Piece::Repeat(Box::new(Piece::Characters(vec![(0, 0x10_ffff)])), 0, None);
    let piece = Piece::Sequence(vec![any.clone(), parse(pattern)?, any]);
    let mut net = Net::default();
    let end = net.push(Node::Match)?;
    let start = net.add(&piece, end)?;
    net.dfa(start, fuel).map_err(|TooLarge| "needs too large an automaton".to_owned())
}

pub(super) fn parse(pattern: &str) -> Result<Piece, String> {
    if pattern.chars().count() > MOST_CHARACTERS {
        return Err(format!("is longer than {MOST_CHARACTERS} characters"));
    }
    let mut parser = Parser { rest: pattern.chars().peekable(), depth: 0 };
    let piece = parser.choice()?;
    match parser.rest.next() {
        None => Ok(piece),
        Some(c) => Err(format!("has a {c:?} too many")),
    }
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    depth: usize,
}

impl Parser<'_> {
    fn choice(&mut self) -> Result<Piece, String> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err("nests too deeply".to_owned());
        }
        let mut choices = vec![self.sequence()?];
        while self.rest.next_if_eq(&'|').is_some() {
            choices.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(if choices.len() == 1 { choices.remove(0) } else { Piece::Choice(choices) })
    }

    fn sequence(&mut self) -> Result<Piece, String> {
        let mut pieces = Vec::new();
        while let Some(c) = self.rest.next_if(|c| !matches!(c, '|' | ')')) {
            let piece = self.one(c)?;
            pieces.push(self.repeated(piece)?);
        }
        Ok(Piece::Sequence(pieces))
    }

    fn one(&mut self, c: char) -> Result<Piece, String> {
        match c {
            '^' => Ok(Piece::Start),
            '$' => Ok(Piece::End),
            '.' => Ok(Piece::Characters(inverted(vec![(0x0a, 0x0a), (0x0d, 0x0d), (0x2028, 0x2029)]))),
            '[' => self.class().map(Piece::Characters),
            '(' => self.group(),
            '\\' => self.escape(false).map(Piece::Characters),
            '*' | '+' | '?' | '{' | '}' | ']' => Err(format!("has a {c:?} where nothing is to repeat; write \\{c}")),
            c => Ok(Piece::Characters(vec![(c as u32, c as u32)])),
        }
    }

    fn group(&mut self) -> Result<Piece, String> {
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some(':') => {}
                Some('<') if !matches!(self.rest.peek(), Some('=' | '!')) => {
                    // The name of a group means nothing here.
                    if !self.rest.by_ref().any(|c| c == '>') {
                        return Err("has a group whose name does not end".to_owned());
                    }
                }
                _ => return Err("looks ahead or behind, which no grammar can hold".to_owned()),
            }
        }
        let piece = self.choice()?;
        self.rest.next_if_eq(&')').map(|_| piece).ok_or_else(|| "has a group that does not end".to_owned())
    }

    fn repeated(&mut self, piece: Piece) -> Result<Piece, String> {
        let (min, max) = match self.rest.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.counted(piece),
            _ => return Ok(piece),
        };
        self.rest.next();
        self.lazily(Piece::Repeat(Box::new(piece), min, max))
    }

    fn counted(&mut self, piece: Piece) -> Result<Piece, String> {
        self.rest.next();
        let text: String = std::iter::from_fn(|| self.rest.next_if(|c| c.is_ascii_digit() || *c == ',')).collect();
        let wrong = || format!("has {{{text}}}, which is no number of repetitions");
        self.rest.next_if_eq(&'}').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= 1_000).ok_or_else(wrong);
        let (min, max) = match text.split_once(',') {
            None => (number(&text)?, Some(number(&text)?)),
            Some((min, "")) => (number(min)?, None),
            Some((min, max)) => (number(min)?, Some(number(max)?)),
        };
        if max.is_some_and(|max| max < min) {
            return Err(wrong());
        }
        self.lazily(Piece::Repeat(Box::new(piece), min, max))
    }

    /// How greedily a repetition matches changes nothing about what matches.
    fn lazily(&mut self, piece: Piece) -> Result<Piece, String> {
        self.rest.next_if_eq(&'?');
        match self.rest.peek() {
            Some('*' | '+' | '?' | '{') => Err("repeats a repetition".to_owned()),
            _ => Ok(piece),
        }
    }

    fn class(&mut self) -> Result<Ranges, String> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut ranges = Ranges::new();
        loop {
            let first = match self.rest.next() {
                None => return Err("has a [ that does not end".to_owned()),
                Some(']') => break,
                Some('\\') => self.escape(true)?,
                Some(c) => vec![(c as u32, c as u32)],
            };
            let single = |ranges: &Ranges| match ranges[..] {
                [(a, b)] if a == b => Some(a),
                _ => None,
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && !matches!(ahead.next(), Some(']') | None);
            let Some(from) = single(&first).filter(|_| is_range) else {
                ranges.extend(first);
                continue;
            };
            self.rest.next();
            let last = match self.rest.next() {
                Some('\\') => self.escape(true)?,
                Some(c) => vec![(c as u32, c as u32)],
                None => return Err("has a [ that does not end".to_owned()),
            };
            match single(&last) {
                Some(to) if from <= to => ranges.push((from, to)),
                _ => return Err("has a range in [ ] that runs backwards".to_owned()),
            }
        }
        Ok(if negated { inverted(ranges) } else { sorted(ranges) })
    }

    fn escape(&mut self, in_class: bool) -> Result<Ranges, String> {
        let digits = vec![(0x30, 0x39)];
        let word = vec![(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)];
        let space = vec![
            (0x09, 0x0d),
            (0x20, 0x20),
            (0xa0, 0xa0),
            (0x1680, 0x1680),
            (0x2000, 0x200a),
            (0x2028, 0x2029),
            (0x202f, 0x202f),
            (0x205f, 0x205f),
            (0x3000, 0x3000),
            (0xfeff, 0xfeff),
        ];
        let c = self.rest.next().ok_or("ends with a \\")?;
        let code = match c {
            'd' => return Ok(digits),
            'D' => return Ok(inverted(digits)),
            'w' => return Ok(word),
            'W' => return Ok(inverted(word)),
            's' => return Ok(space),
            'S' => return Ok(inverted(space)),
            't' => 0x09,
            'n' => 0x0a,
            'v' => 0x0b,
            'f' => 0x0c,
            'r' => 0x0d,
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => 0,
            'b' if in_class => 0x08,
            'x' => self.hexadecimal(2)?,
            'u' if self.rest.next_if_eq(&'{').is_some() => {
                let text: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit)).collect();
                self.rest.next_if_eq(&'}').ok_or("has a \\u{ that does not end")?;
                u32::from_str_radix(&text, 16).ok().filter(|code| *code <= 0x10_ffff).ok_or("has a bad \\u{}")?
            }
            'u' => self.unit()?,
            'b' | 'B' => return Err("asks for a word's boundary, which no grammar here can hold".to_owned()),
            '1'..='9' | 'k' => return Err("refers back to a group, which no grammar can hold".to_owned()),
            'p' | 'P' => return Err("names a class of Unicode, which is not known here".to_owned()),
            c if c.is_ascii_alphanumeric() => return Err(format!("has \\{c}, which is not known here")),
            c => c as u32,
        };
        Ok(vec![(code, code)])
    }

    /// `\uXXXX`, or two of them for one character.
    fn unit(&mut self) -> Result<u32, String> {
        let high = self.hexadecimal(4)?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(high);
        }
        let pair = self.rest.next_if_eq(&'\\').and_then(|_| self.rest.next_if_eq(&'u'));
        pair.ok_or("has half a character")?;
        match self.hexadecimal(4)? {
            low @ 0xdc00..=0xdfff => Ok(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)),
            _ => Err("has half a character".to_owned()),
        }
    }

    fn hexadecimal(&mut self, length: usize) -> Result<u32, String> {
        let text: String = self.rest.by_ref().take(length).collect();
        let is_whole = text.len() == length && text.chars().all(|c| c.is_ascii_hexdigit());
        u32::from_str_radix(&text, 16).ok().filter(|_| is_whole).ok_or_else(|| "has a bad \\x or \\u".to_owned())
    }
}

/// By their beginnings, and none overlapping.
fn sorted(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut all: Ranges = Vec::new();
    for (first, last) in ranges {
        match all.last_mut() {
            Some(before) if before.1 + 1 >= first => before.1 = before.1.max(last),
            _ => all.push((first, last)),
        }
    }
    all
}

fn inverted(ranges: Ranges) -> Ranges {
    let mut from = 0;
    let mut all = Ranges::new();
    for (first, last) in sorted(ranges) {
        if first > from {
            all.push((from, first - 1));
        }
        from = last + 1;
    }
    if from <= 0x10_ffff {
        all.push((from, 0x10_ffff));
    }
    all
}

#[derive(Debug)]
enum Node {
    Characters(Ranges, u32),
    Ways(Vec<u32>),
    Start(u32),
    End(u32),
    Match,
}

/// The pattern as places and ways between them, several at once.
#[derive(Default)]
struct Net(Vec<Node>);

impl Net {
    fn push(&mut self, node: Node) -> Result<u32, String> {
        if self.0.len() >= MOST_NODES {
            return Err("repeats too much".to_owned());
        }
        self.0.push(node);
        Ok(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    /// The place from which `piece` leads to `next`.
    fn add(&mut self, piece: &Piece, next: u32) -> Result<u32, String> {
        match piece {
            Piece::Characters(ranges) => self.push(Node::Characters(ranges.clone(), next)),
            Piece::Sequence(pieces) => pieces.iter().rev().try_fold(next, |next, piece| self.add(piece, next)),
            Piece::Choice(pieces) => {
                let ways = pieces.iter().map(|piece| self.add(piece, next)).collect::<Result<_, _>>()?;
                self.push(Node::Ways(ways))
            }
            Piece::Repeat(piece, min, max) => {
                let mut at = next;
                match max {
                    None => {
                        let again = self.push(Node::Ways(Vec::new()))?;
                        let body = self.add(piece, again)?;
                        self.0[again as usize] = Node::Ways(vec![body, next]);
                        at = again;
                    }
                    Some(max) => {
                        for _ in *min..*max {
                            let body = self.add(piece, at)?;
                            at = self.push(Node::Ways(vec![body, next]))?;
                        }
                    }
                }
                (0..*min).try_fold(at, |at, _| self.add(piece, at))
            }
            Piece::Start => self.push(Node::Start(next)),
            Piece::End => self.push(Node::End(next)),
        }
    }

    fn dfa(&self, start: u32, fuel: &Fuel) -> Result<Dfa, TooLarge> {
        let start = self.closed([start], true, false, fuel)?;
        Dfa::explore(start, fuel, |places| {
            let at_end = self.closed(places.iter().copied(), false, true, fuel)?;
            Ok((at_end.iter().any(|place| self.is_match(*place)), self.ways(places, fuel)?))
        })
    }

    fn is_match(&self, place: u32) -> bool {
        matches!(self.0[place as usize], Node::Match)
    }

    /// All places that are reached without a character, those that only pass something on left out.
    fn closed(
        &self,
        from: impl IntoIterator<Item = u32>,
        at_start: bool,
        at_end: bool,
        fuel: &Fuel,
    ) -> Result<Vec<u32>, TooLarge> {
        let mut open: Vec<u32> = from.into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut kept = BTreeSet::new();
        while let Some(place) = open.pop() {
            if !seen.insert(place) {
                continue;
            }
            match &self.0[place as usize] {
                Node::Ways(ways) => open.extend(ways),
                Node::Start(next) if at_start => open.push(*next),
                Node::Start(_) => {}
                Node::End(next) if at_end => open.push(*next),
                Node::End(_) | Node::Characters(..) | Node::Match => {
                    kept.insert(place);
                }
            }
        }
        fuel.spend(seen.len())?;
        Ok(kept.into_iter().collect())
    }

    fn ways(&self, places: &[u32], fuel: &Fuel) -> Result<Vec<(u32, u32, Vec<u32>)>, TooLarge> {
        let mut edges: Vec<(u32, bool, u32)> = Vec::new();
        for place in places {
            if let Node::Characters(ranges, next) = &self.0[*place as usize] {
                edges.extend(ranges.iter().flat_map(|(first, last)| [(*first, true, *next), (last + 1, false, *next)]));
            }
        }
        let mut cuts: BTreeSet<u32> = edges.iter().map(|edge| edge.0).collect();
        cuts.extend(super::dfa::ALPHABET.iter().flat_map(|(first, last)| [*first, last + 1]));
        edges.sort_unstable();
        let cuts: Vec<u32> = cuts.into_iter().collect();
        // How often each place is reached by the characters after a cut.
        let mut active: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
        let mut edges = edges.into_iter().peekable();
        let mut all = Vec::new();
        for pair in cuts.windows(2) {
            while let Some((_, opens, next)) = edges.next_if(|edge| edge.0 <= pair[0]) {
                let count = active.entry(next).or_default();
                *count = if opens { *count + 1 } else { count.saturating_sub(1) };
                if *count == 0 {
                    active.remove(&next);
                }
            }
            if is_written(pair[0]) && !active.is_empty() {
                all.push((pair[0], pair[1] - 1, self.closed(active.keys().copied(), false, false, fuel)?));
            }
        }
        Ok(all)
    }
}
