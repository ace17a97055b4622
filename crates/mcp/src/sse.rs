//! Server-sent events, read as they come in pieces of any size. Bounded; knows nothing of what the events say.

/// One event, as its blank line ended it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The newest id of the stream, as the event left it.
    pub id: Option<String>,
    pub data: String,
}

/// An event is larger than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The state of one stream.
pub struct Events {
    line: Vec<u8>,
    after_return: bool,
    first: bool,
    data: String,
    has_data: bool,
    id: Option<String>,
    retry: Option<u64>,
    limit: usize,
}

impl Events {
    pub fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            after_return: false,
            first: true,
            data: String::new(),
            has_data: false,
            id: None,
            retry: None,
            limit,
        }
    }

    /// The newest id that was seen: where a stream that breaks off is taken up again.
    pub fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How many milliseconds the server wants a reader to wait before that.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// The stream broke off and begins anew: half an event does not count.
    pub fn restart(&mut self) {
        self.line.clear();
        self.data.clear();
        self.has_data = false;
        self.after_return = false;
        self.first = true;
    }

    /// Reads a piece and appends the events that it completes.
    pub fn push(&mut self, mut piece: &[u8], events: &mut Vec<Event>) -> Result<(), TooLarge> {
        if self.after_return && piece.first() == Some(&b'\n') {
            piece = &piece[1..];
        }
        if !piece.is_empty() {
            self.after_return = false;
        }
        while let Some(end) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.grow(&piece[..end])?;
            let returned = piece[end] == b'\r';
            piece = &piece[end + 1..];
            if returned {
                match piece.first() {
                    Some(b'\n') => piece = &piece[1..],
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            self.end_of_line(events)?;
        }
        self.grow(piece)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.line.len() + bytes.len() + self.data.len() > self.limit {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_of_line(&mut self, events: &mut Vec<Event>) -> Result<(), TooLarge> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = if std::mem::take(&mut self.first) { line.trim_start_matches('\u{feff}') } else { &line };
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                events.push(Event { id: self.id.clone(), data: std::mem::take(&mut self.data) });
            }
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
                if self.data.len() > self.limit {
                    return Err(TooLarge);
                }
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok().or(self.retry),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, size: usize) -> (Vec<String>, Option<String>, Option<u64>) {
        let mut stream = Events::new(1000);
        let mut events = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            stream.push(piece, &mut events).unwrap();
        }
        let data = events.into_iter().map(|event| event.data).collect();
        (data, stream.last_id().map(str::to_owned), stream.retry())
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let text = "\u{feff}: hello\r\nid: 1\ndata: a\ndata:b\n\nretry: 50\revent: x\rdata\r\rid: 2\r\ndata: é\r\n\r\nnoise\n\ndata: open";
        for size in 1..text.len() {
            let (data, id, retry) = read(text, size);
            assert_eq!(data, ["a\nb", "", "é"], "pieces of {size}");
            assert_eq!((id.as_deref(), retry), (Some("2"), Some(50)));
        }
    }

    #[test]
    fn an_event_without_data_is_none() {
        assert_eq!(read("id: 7\n\nevent: message\n\n", 3), (Vec::new(), Some("7".to_owned()), None));
    }

    #[test]
    fn an_endless_line_and_an_endless_event_end() {
        let mut stream = Events::new(100);
        let mut events = Vec::new();
        assert_eq!(stream.push(&[b'a'; 101], &mut events), Err(TooLarge));
        let mut stream = Events::new(100);
        let all = (0..60).try_for_each(|_| stream.push(b"data: xx\n", &mut events));
        assert_eq!(all, Err(TooLarge));
        assert!(events.is_empty());
    }
}
