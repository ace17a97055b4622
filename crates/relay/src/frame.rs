//! One relay frame, as a binary WebSocket message carries it.

use crate::Fault;
use crate::protobuf::{Fields, write_bytes, write_message, write_number};

/// A frame that is larger is refused unread; so do executors.
pub const FRAME_LIMIT: usize = 256 * 1024;
pub const STREAM_LIMIT: usize = 128;
pub const REASON_LIMIT: usize = 256;
const VERSION: u32 = 1;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Chosen by the harness: at most [`STREAM_LIMIT`] bytes.
    pub stream: String,
    /// The next number that is expected; 0 says nothing.
    pub ack: u32,
    pub ack_bits: u32,
    pub body: Body,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    Data(Data),
    Ack,
    Resume {
        next_seq: u32,
    },
    Reset {
        reason: String,
    },
    Heartbeat,
    Handshake {
        payload: Vec<u8>,
    },
    /// None that is known here: to be passed over.
    Unknown,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Data {
    pub seq: u32,
    pub segment_index: u32,
    pub segment_count: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(stream: &str, body: Body) -> Self {
        Self { stream: stream.to_owned(), ack: 0, ack_bits: 0, body }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_number(1, VERSION, &mut bytes);
        write_bytes(2, self.stream.as_bytes(), &mut bytes);
        write_number(3, self.ack, &mut bytes);
        write_number(4, self.ack_bits, &mut bytes);
        let mut body = Vec::new();
        let field = match &self.body {
            Body::Data(data) => {
                write_number(1, data.seq, &mut body);
                write_number(2, data.segment_index, &mut body);
                write_number(3, data.segment_count, &mut body);
                write_bytes(4, &data.payload, &mut body);
                5
            }
            Body::Ack => 6,
            Body::Resume { next_seq } => {
                write_number(1, *next_seq, &mut body);
                7
            }
            Body::Reset { reason } => {
                write_bytes(1, reason.as_bytes(), &mut body);
                8
            }
            Body::Heartbeat => 9,
            Body::Handshake { payload } => {
                write_bytes(1, payload, &mut body);
                10
            }
            Body::Unknown => return bytes,
        };
        write_message(field, &body, &mut bytes);
        bytes
    }

    /// Of a field that comes twice the last one counts, as of two bodies.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > FRAME_LIMIT {
            return Err(Fault::TooLarge("a frame"));
        }
        let mut version = 0;
        let mut frame = Frame::new("", Body::Unknown);
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => version = value.number()?,
                2 => frame.stream = value.text()?.to_owned(),
                3 => frame.ack = value.number()?,
                4 => frame.ack_bits = value.number()?,
                5 => frame.body = Body::Data(data(value.bytes()?)?),
                6 => frame.body = no_fields(value.bytes()?, Body::Ack)?,
                7 => frame.body = Body::Resume { next_seq: first_number(value.bytes()?)? },
                8 => frame.body = Body::Reset { reason: reason(value.bytes()?)? },
                9 => frame.body = no_fields(value.bytes()?, Body::Heartbeat)?,
                10 => frame.body = Body::Handshake { payload: payload(value.bytes()?)? },
                _ => {}
            }
        }
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        if frame.stream.is_empty() {
            return Err(Fault::Malformed("it names no stream"));
        }
        if frame.stream.len() > STREAM_LIMIT {
            return Err(Fault::TooLarge("a stream's id"));
        }
        Ok(frame)
    }
}

fn data(bytes: &[u8]) -> Result<Data, Fault> {
    let mut data = Data::default();
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => data.seq = value.number()?,
            2 => data.segment_index = value.number()?,
            3 => data.segment_count = value.number()?,
            4 => data.payload = value.bytes()?.to_vec(),
            _ => {}
        }
    }
    Ok(data)
}

fn no_fields(bytes: &[u8], body: Body) -> Result<Body, Fault> {
    let mut fields = Fields::of(bytes);
    while fields.next()?.is_some() {}
    Ok(body)
}

fn first_number(bytes: &[u8]) -> Result<u32, Fault> {
    let mut number = 0;
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            number = value.number()?;
        }
    }
    Ok(number)
}

fn payload(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut payload = Vec::new();
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            payload = value.bytes()?.to_vec();
        }
    }
    Ok(payload)
}

fn reason(bytes: &[u8]) -> Result<String, Fault> {
    let reason = String::from_utf8(payload(bytes)?).map_err(|_| Fault::Malformed("a text is not UTF-8"))?;
    match reason.len() > REASON_LIMIT {
        true => Err(Fault::TooLarge("a reason")),
        false => Ok(reason),
    }
}

#[cfg(test)]
mod tests;
