//! Server-sent events, read as the standard says: lines end in CR, LF or both, comments are passed over. It does not
//! know what the events mean.

use crate::client::{MAX_ANSWER, broken, short};
use crate::trouble::{Deadline, Trouble, within};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// No stream of this suite is longer: events, and times the patience for one event.
const MAX_EVENTS: usize = 20_000;
const MAX_TIMES: u32 = 10;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Value,
}

/// A stream that is being read.
#[derive(Debug)]
pub struct Frames {
    response: reqwest::Response,
    pub status: u16,
    pub asked: String,
    parser: Parser,
    patience: Duration,
    read: usize,
    deadline: Deadline,
}

impl Frames {
    pub fn of(response: reqwest::Response, asked: String, patience: Duration) -> Self {
        let status = response.status().as_u16();
        let deadline = Deadline::after(patience * MAX_TIMES);
        Self { response, status, asked, parser: Parser::default(), patience, read: 0, deadline }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next event; None where the server ended the stream.
    pub async fn next(&mut self) -> Result<Option<Frame>, Trouble> {
        self.read += 1;
        if self.read > MAX_EVENTS || self.deadline.is_over() {
            let why = format!("the stream goes on and on; {} events were read", self.read - 1);
            return Err(Trouble::Broken { asked: self.asked.clone(), why });
        }
        let asked = format!("{} (its next event)", self.asked);
        within(self.patience, &asked, self.pull()).await?
    }

    async fn pull(&mut self) -> Result<Option<Frame>, Trouble> {
        loop {
            if let Some(raw) = self.parser.frames.pop_front() {
                return raw.frame(&self.asked).map(Some);
            }
            match self.response.chunk().await.map_err(|error| broken(&self.asked, &error))? {
                Some(chunk) => self.parser.take(&chunk),
                None if self.parser.is_between() => return Ok(None),
                None => {
                    let why = "the stream ended within an event".to_owned();
                    return Err(Trouble::Broken { asked: self.asked.clone(), why });
                }
            }
            if self.parser.held() > MAX_ANSWER {
                return Err(Trouble::TooLarge { asked: self.asked.clone(), limit: MAX_ANSWER });
            }
        }
    }
}

/// Lines become events.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    /// The last byte was a CR: a LF after it ends nothing.
    after_cr: bool,
    open: Raw,
    frames: VecDeque<Raw>,
}

#[derive(Debug, Default, PartialEq)]
struct Raw {
    id: Option<String>,
    event: Option<String>,
    data: Option<String>,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\r' | b'\n' => {
                    self.after_cr = *byte == b'\r';
                    self.end_line();
                }
                _ => {
                    self.after_cr = false;
                    self.line.push(*byte);
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if line.is_empty() {
            let raw = std::mem::take(&mut self.open);
            if raw.data.is_some() {
                self.frames.push_back(raw);
            }
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut self.open.data {
                Some(data) => *data = format!("{data}\n{value}"),
                None => self.open.data = Some(value.to_owned()),
            },
            "id" => self.open.id = Some(value.to_owned()),
            "event" => self.open.event = Some(value.to_owned()),
            _ => {}
        }
    }

    fn is_between(&self) -> bool {
        self.line.is_empty() && self.open.data.is_none()
    }

    fn held(&self) -> usize {
        self.line.len() + self.open.data.as_ref().map_or(0, String::len)
    }
}

impl Raw {
    fn frame(self, asked: &str) -> Result<Frame, Trouble> {
        let data = self.data.unwrap_or_default();
        let parsed = if data == "[DONE]" { Ok(Value::String(data.clone())) } else { serde_json::from_str(&data) };
        let data = parsed.map_err(|error| Trouble::Broken {
            asked: asked.to_owned(),
            why: format!("an event is no JSON ({error}): {}", short(&data)),
        })?;
        Ok(Frame { id: self.id, event: self.event, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, step: usize) -> Vec<Raw> {
        let mut parser = Parser::default();
        text.as_bytes().chunks(step).for_each(|piece| parser.take(piece));
        parser.frames.into()
    }

    #[test]
    fn every_line_end_and_every_cut_read_alike() {
        let text = ": hello\nid: 1\nevent: x\ndata: {\"a\":\ndata: 1}\n\ndata:{}\n\n: alone\n\n";
        let data = |text: &str| Some(text.to_owned());
        let wanted = vec![
            Raw { id: data("1"), event: data("x"), data: data("{\"a\":\n1}") },
            Raw { id: None, event: None, data: data("{}") },
        ];
        for ends in ["\n", "\r", "\r\n"] {
            for step in 1..9 {
                assert_eq!(read(&text.replace('\n', ends), step), wanted, "{ends:?} {step}");
            }
        }
    }

    #[test]
    fn what_is_no_json_is_trouble() {
        let raw = |data: &str| Raw { data: Some(data.to_owned()), ..Raw::default() };
        assert!(raw("{").frame("x").is_err());
        assert_eq!(raw("[DONE]").frame("x").unwrap().data, "[DONE]");
    }
}
