//! One stream between a harness and an executor: handshake, then messages as numbered records. It never decides whom to
//! trust: the caller does, with the keys and the authorization that it sees.

use crate::assembly::{self, Assembly};
use crate::frame::{Body, Data, Frame, REASON_LIMIT};
use crate::noise::{Claim, Initiator, Keys, Place, PublicKeys, Transport};
use crate::window::Window;
use crate::{Fault, MESSAGE_LIMIT};

/// What a side says that ends a stream because of its peer.
pub const PROTOCOL_RESET: &str = "noise_relay_protocol_error";
/// The plaintext of a record.
const RECORD: usize = 60 * 1024;
const TAG: usize = 16;

pub struct Channel {
    stream: String,
    state: State,
    /// The number of the next record that goes out.
    next: u32,
    window: Window,
    assembly: Assembly,
}

enum State {
    Waiting(Box<Initiator>),
    Open(Box<Transport>),
    Closed,
}

impl Channel {
    /// The harness's side. The frames begin the stream; the channel is open when the executor has answered.
    pub fn initiate(
        place: &Place,
        own: &Keys,
        peer: &PublicKeys,
        authorization: &[u8],
    ) -> Result<(Self, Vec<Frame>), Fault> {
        let (initiator, payload) = Initiator::begin(place, own, peer, authorization)?;
        let channel = Self::over(&place.stream, State::Waiting(Box::new(initiator)));
        let begin = Frame::new(&place.stream, Body::Resume { next_seq: 0 });
        Ok((channel, vec![begin, Frame::new(&place.stream, Body::Handshake { payload })]))
    }

    /// The executor's side, once it trusts the claim. The frame answers the handshake.
    pub fn accept(claim: Claim) -> Result<(Self, Frame), Fault> {
        let stream = claim.stream.clone();
        let (transport, payload) = claim.answer()?;
        let answer = Frame::new(&stream, Body::Handshake { payload });
        Ok((Self::over(&stream, State::Open(Box::new(transport))), answer))
    }

    fn over(stream: &str, state: State) -> Self {
        let (window, assembly) = (Window::default(), Assembly::default());
        Self { stream: stream.to_owned(), state, next: 0, window, assembly }
    }

    pub fn stream(&self) -> &str {
        &self.stream
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// One message, of at most [`MESSAGE_LIMIT`] bytes, as frames that go out in this order.
    pub fn send(&mut self, message: &[u8]) -> Result<Vec<Frame>, Fault> {
        let State::Open(transport) = &mut self.state else { return Err(Fault::NotOpen) };
        let mut frames = Vec::with_capacity(message.len().min(MESSAGE_LIMIT) / RECORD + 1);
        for plaintext in assembly::frame(message)?.chunks(RECORD) {
            let seq = self.next;
            self.next = seq.checked_add(1).ok_or(Fault::Sequence)?;
            let payload = transport.send_vec(plaintext).map_err(|_| Fault::Record)?;
            let data = Data { seq, segment_index: 0, segment_count: 1, payload };
            frames.push(Frame::new(&self.stream, Body::Data(data)));
        }
        Ok(frames)
    }

    /// What a frame of this stream brings: the messages that are complete now. After a fault the channel is closed, and
    /// the peer should be told by [`Channel::reset`], unless the fault is its own reset.
    pub fn receive(&mut self, body: Body) -> Result<Vec<Vec<u8>>, Fault> {
        let messages = self.take(body);
        if messages.is_err() {
            self.state = State::Closed;
        }
        messages
    }

    fn take(&mut self, body: Body) -> Result<Vec<Vec<u8>>, Fault> {
        match body {
            Body::Data(data) => self.record(data),
            Body::Handshake { payload } => self.answered(&payload).map(|()| Vec::new()),
            Body::Reset { reason } => Err(Fault::Reset(reason)),
            Body::Ack | Body::Resume { .. } | Body::Heartbeat | Body::Unknown => Ok(Vec::new()),
        }
    }

    fn answered(&mut self, payload: &[u8]) -> Result<(), Fault> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Waiting(initiator) => {
                self.state = State::Open(Box::new(initiator.finish(payload)?));
                Ok(())
            }
            State::Open(_) => Err(Fault::Handshake("it was over".to_owned())),
            State::Closed => Err(Fault::NotOpen),
        }
    }

    fn record(&mut self, data: Data) -> Result<Vec<Vec<u8>>, Fault> {
        let State::Open(transport) = &mut self.state else { return Err(Fault::NotOpen) };
        let whole = data.segment_index == 0 && data.segment_count <= 1;
        if !whole || data.payload.len() < TAG || data.payload.len() > RECORD + TAG {
            return Err(Fault::Record);
        }
        let mut messages = Vec::new();
        for ciphertext in self.window.push(data.seq, data.payload)? {
            let plaintext = transport.receive_vec(&ciphertext).map_err(|_| Fault::Record)?;
            messages.append(&mut self.assembly.push(&plaintext)?);
        }
        Ok(messages)
    }

    /// Closes the channel; the frame tells the peer.
    pub fn reset(&mut self, reason: &str) -> Frame {
        self.state = State::Closed;
        let mut end = reason.len().min(REASON_LIMIT);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Frame::new(&self.stream, Body::Reset { reason: reason[..end].to_owned() })
    }
}

#[cfg(test)]
mod tests;
