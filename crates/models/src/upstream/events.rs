//! Server-sent events out of bytes. Chunks may end anywhere: within a line end, within a character. Only `data` matters;
//! event names, ids and comments are passed over, since the wires that we read say everything in their JSON.

use super::Fault;
use types::ModelErrorKind;

/// The longest single event, its line included.
const MAX_EVENT_BYTES: usize = 16 << 20;

#[derive(Default)]
pub(super) struct EventReader {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    /// The last byte was CR: an LF that follows belongs to the same line end.
    after_cr: bool,
    /// The first line is done: no byte order mark can come any more.
    begun: bool,
}

impl EventReader {
    /// Appends the data of the events that `chunk` completes, in order; those before a fault too.
    pub(super) fn push(&mut self, mut chunk: &[u8], complete: &mut Vec<String>) -> Result<(), Fault> {
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        while let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (head, tail) = chunk.split_at(end);
            self.extend(head)?;
            if let Some(data) = self.end_line()? {
                complete.push(data);
            }
            chunk = if tail.starts_with(b"\r\n") {
                &tail[2..]
            } else {
                self.after_cr = tail == b"\r";
                &tail[1..]
            };
        }
        self.extend(chunk)
    }

    /// What stands at the end of the stream without its empty line.
    pub(super) fn rest(mut self) -> Option<String> {
        if !self.line.is_empty() && self.end_line().is_err() {
            return None;
        }
        self.data.and_then(|data| String::from_utf8(data).ok())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
        if held + bytes.len() > MAX_EVENT_BYTES {
            return Err(Fault::new(
                ModelErrorKind::Protocol,
                "one event of the upstream's answer is longer than 16 MiB",
            ));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<String>, Fault> {
        let mut line = std::mem::take(&mut self.line);
        if !self.begun {
            self.begun = true;
            if line.starts_with(b"\xEF\xBB\xBF") {
                line.drain(..3);
            }
        }
        if line.is_empty() {
            return self.data.take().map(text).transpose();
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &[][..]),
        };
        if field == b"data" {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut self.data {
                None => self.data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            }
        }
        Ok(None)
    }
}

fn text(data: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(data)
        .map_err(|_| Fault::new(ModelErrorKind::Protocol, "the upstream's answer is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let mut reader = EventReader::default();
        let mut events = Vec::new();
        for chunk in chunks {
            reader.push(chunk, &mut events).map_err(|fault| fault.kind()).unwrap();
        }
        (events, reader.rest())
    }

    #[test]
    fn lines_fields_and_line_ends() {
        let cases: &[(&str, &[&str])] = &[
            ("data: a\n\n", &["a"]),
            ("data:a\r\n\r\n", &["a"]),
            ("data: a\r\rdata: b\r\r", &["a", "b"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            ("data\n\n", &[""]),
            (": comment\n\nevent: x\nid: 3\ndata: a\nretry: 5\n\n", &["a"]),
            ("\u{feff}data: a\n\n", &["a"]),
            ("data:  a\n\n", &[" a"]),
            ("dataset: a\n\n", &[]),
            ("\n\n\n", &[]),
            ("data: grüße 🙂\n\n", &["grüße 🙂"]),
        ];
        for (input, expected) in cases {
            assert_eq!(read(&[input.as_bytes()]).0, *expected, "{input:?}");
            let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes).0, *expected, "byte by byte: {input:?}");
            for cut in 0..input.len() {
                let (head, tail) = input.as_bytes().split_at(cut);
                assert_eq!(read(&[head, b"", tail]).0, *expected, "cut at {cut}: {input:?}");
            }
        }
    }

    #[test]
    fn the_rest_is_what_has_no_empty_line() {
        assert_eq!(read(&[b"data: a\n\ndata: b"]).1.as_deref(), Some("b"));
        assert_eq!(read(&[b"data: a\n\ndata: b\n"]).1.as_deref(), Some("b"));
        assert_eq!(read(&[b"data: a\n\n"]).1, None);
        assert_eq!(read(&[b"data: \xff"]).1, None);
    }

    #[test]
    fn bounds_and_encoding_are_faults() {
        let mut reader = EventReader::default();
        let mut events = Vec::new();
        let fault = reader.push(b"data: a\n\ndata: \xff\xfe\n\n", &mut events).unwrap_err();
        assert_eq!(fault.kind(), ModelErrorKind::Protocol);
        assert_eq!(events, ["a"], "what came before it counts");
        let mut reader = EventReader::default();
        let block = vec![b'x'; 1 << 20];
        let fault = (0..17).find_map(|_| reader.push(&block, &mut Vec::new()).err());
        assert_eq!(fault.map(|fault| fault.kind()), Some(ModelErrorKind::Protocol));
        let mut reader = EventReader::default();
        let line = [b"data: ", block.as_slice(), b"\n"].concat();
        let fault = (0..17).find_map(|_| reader.push(&line, &mut Vec::new()).err());
        assert_eq!(fault.map(|fault| fault.kind()), Some(ModelErrorKind::Protocol), "many lines of one event");
    }
}
