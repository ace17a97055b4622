//! How much of a server's word is listened to, and how long.

use std::time::Duration;

const MIB: usize = 1 << 20;

/// All of them have defaults that fit servers which mean well.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one answer, however it comes.
    pub answer: usize,
    /// Bytes of one event of a stream, and of one line of a program.
    pub event: usize,
    /// Bytes of one request.
    pub request: usize,
    /// Tools of one server, over all pages.
    pub tools: usize,
    /// Bytes of all pages of tools together, and values of JSON in them: a small one costs far more than its text.
    pub listing: usize,
    pub listing_values: usize,
    /// Values in any answer.
    pub values: usize,
    /// Bytes of the listings that are kept for one project, and for all.
    pub kept_of_project: usize,
    pub kept: usize,
    pub pages: usize,
    /// Bytes and depth of one tool's schema.
    pub schema: usize,
    pub schema_depth: usize,
    /// Until a connection stands, the look-up of its name included.
    pub connect: Duration,
    /// For each request of a handshake and of a listing, and for a token.
    pub opening: Duration,
    /// For the very first question, which an older server may leave without an answer.
    pub patience: Duration,
    /// How long a listing counts where the server does not say.
    pub listing_age: Duration,
    pub redirects: usize,
    /// How often a stream that broke off is taken up again.
    pub resumptions: usize,
    /// The longest pause that a server may ask for before that.
    pub resume_pause: Duration,
    /// How often a call is answered with a question before it is given up.
    pub rounds: usize,
    /// How often another token is tried for one request.
    pub renewals: usize,
    /// Connections of one project, and of all.
    pub per_project: usize,
    pub all: usize,
    /// A connection that was not used for so long is closed.
    pub idle: Duration,
    /// The shortest and the longest pause before a server that did not answer is asked again.
    pub pause: Duration,
    pub longest_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: 8 * MIB,
            event: 4 * MIB,
            request: 4 * MIB,
            tools: 5_000,
            listing: 2 * MIB,
            listing_values: 50_000,
            values: 250_000,
            kept_of_project: 16 * MIB,
            kept: 256 * MIB,
            pages: 500,
            schema: MIB / 2,
            schema_depth: 48,
            connect: Duration::from_secs(10),
            opening: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            listing_age: Duration::from_secs(300),
            redirects: 5,
            resumptions: 5,
            resume_pause: Duration::from_secs(30),
            rounds: 4,
            renewals: 2,
            per_project: 256,
            all: 4_096,
            idle: Duration::from_secs(600),
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(15),
        }
    }
}
