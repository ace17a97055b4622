//! What a run will be, drawn from its seed: how many sessions and clients, which faults, when the process dies.

use crate::random::Random;
use std::time::Duration;
use types::{EnvironmentStatus, Limits, MicroUsd, ModelRules, Price, Rules};

/// A run. The same plan is the same run, to the last bit.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    pub seed: u64,
    pub sessions: u64,
    /// Turns that the owner of each session starts.
    pub rounds: u64,
    /// Clients of a session beside its owner.
    pub followers: u64,
    /// Clients that ask for single answers.
    pub askers: u64,
    pub crashes: Crashes,
    pub faults: Faults,
    /// A second node starts beside the first, so often.
    pub takeovers: u64,
    /// Jumps of the wall clock.
    pub jumps: u64,
    /// The disk is put back to where a backup had it, so often.
    pub restores: u64,
    pub priced: bool,
    /// The spending limit of a session, where it has one.
    pub limit: Option<MicroUsd>,
    pub limits: Limits,
    /// Whether owners delete their sessions at the end, by chance.
    pub deletes: bool,
    /// The first owner's messages kill the process that asks a model about them.
    pub poison: bool,
    /// Sessions have an environment, and its line behaves like this.
    pub line: Option<Line>,
}

/// What a session's environment is, and how it behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// It comes when turns may wait for it already, or have given up, and stays.
    Late,
    /// It comes and goes all the time, and may fail for good.
    Restless,
    Never,
    /// The server's own: it is set up, which may take too long or fail, then used, suspended, expired, and set up anew.
    Hosted,
}

impl Line {
    /// Whether a turn may begin while it is so.
    pub fn lets_begin(self, status: EnvironmentStatus) -> bool {
        match self {
            Self::Hosted => !matches!(status, EnvironmentStatus::Pending | EnvironmentStatus::Failed),
            Self::Late | Self::Restless | Self::Never => status == EnvironmentStatus::Connected,
        }
    }
}

/// When the process dies, counted in boundaries that were crossed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crashes {
    Never,
    /// At the n-th, counted from 1; and, where said, once more so many later.
    At(u64, Option<u64>),
    /// After a number below this one, again and again, so many times.
    Often {
        within: u64,
        times: u64,
    },
}

/// How often a thing goes wrong, in thousandths of its occasions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Faults {
    /// An access to the store takes up to seconds.
    pub slow: u64,
    /// The store takes nothing for a while (a full disk).
    pub full: u64,
    /// A write is kept and reported as failed.
    pub torn: u64,
    /// A commit fails, and the store stops.
    pub fsync: u64,
    pub model: u64,
    /// The only thing that goes wrong with models, where it is not the seed's choice.
    pub model_only: Option<ModelFault>,
    pub tool: u64,
    pub tool_only: Option<ToolFault>,
    /// What a session is offered cannot be said, or not now.
    pub offer: u64,
    /// A tool is described anew when somebody asks what there is.
    pub changed: u64,
    /// A client goes away in the middle of a request.
    pub client: u64,
}

/// What a model does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModelFault {
    Refused,
    RateLimited,
    /// With a wish for how long to stay away.
    RateLimitedFor,
    Overloaded,
    /// An error of its own in the middle.
    Broken,
    Torn,
    NeverAnswers,
    /// Silence in the middle.
    Stalls,
    Invalid,
    TooLong,
    CutOff,
    Filtered,
    Empty,
    /// Calls that no function should get.
    Nonsense,
}

impl ModelFault {
    pub const ALL: [Self; 14] = [
        Self::Refused,
        Self::RateLimited,
        Self::RateLimitedFor,
        Self::Overloaded,
        Self::Broken,
        Self::Torn,
        Self::NeverAnswers,
        Self::Stalls,
        Self::Invalid,
        Self::TooLong,
        Self::CutOff,
        Self::Filtered,
        Self::Empty,
        Self::Nonsense,
    ];
}

/// What a tool does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToolFault {
    Fails,
    DoesNotKnow,
    /// For ever, whoever takes it back.
    Hangs,
    /// Its answer comes when it may have been given up.
    Late,
    Slow,
}

impl ToolFault {
    pub const ALL: [Self; 5] = [Self::Fails, Self::DoesNotKnow, Self::Hangs, Self::Late, Self::Slow];
}

/// The entry that sessions ask for, and the one that it falls back to.
pub const MODEL: &str = "main";
pub const SPARE: &str = "spare";

impl Plan {
    /// A calm run of one session: what every crash point is tried on.
    pub fn small(seed: u64, crashes: Crashes) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let priced = random.chance(500);
        Self {
            seed,
            sessions: 1,
            rounds: 2,
            followers: 1,
            askers: u64::from(seed % 32 == 16),
            crashes,
            faults: Faults { model: 100, tool: 100, offer: 20, changed: 60, ..Faults::default() },
            takeovers: 0,
            jumps: 0,
            restores: 0,
            priced,
            limit: (priced && random.chance(500)).then_some(MicroUsd(1_000_000)),
            limits: limits(&mut random),
            deletes: false,
            poison: false,
            line: None,
        }
    }

    /// Anything at all.
    pub fn large(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x1a46e);
        let mut often = |most: u64| if random.chance(500) { random.below(most + 1) } else { 0 };
        let faults = Faults {
            slow: often(50),
            full: often(30),
            torn: often(30),
            fsync: often(12),
            model: often(400),
            model_only: None,
            tool: often(400),
            tool_only: None,
            client: often(150),
            offer: often(60),
            changed: often(200),
        };
        let crashes = match random.below(4) {
            0 => Crashes::Never,
            _ => Crashes::Often { within: random.between(20, 400), times: random.between(1, 12) },
        };
        let priced = random.chance(600);
        Self {
            seed,
            sessions: random.between(1, 4),
            rounds: random.between(1, 4),
            followers: random.between(0, 2),
            askers: if seed.is_multiple_of(3) { 2 } else { 0 },
            crashes,
            faults,
            takeovers: if random.chance(400) { random.between(1, 3) } else { 0 },
            jumps: if random.chance(300) { random.between(1, 4) } else { 0 },
            restores: if seed % 6 == 1 { 2 } else { 0 },
            priced,
            limit: (priced && random.chance(600)).then(|| MicroUsd(random.between(7_000, 200_000))),
            limits: limits(&mut random),
            deletes: random.chance(300),
            poison: false,
            line: None,
        }
    }

    /// What the engine and the gate are told.
    pub fn rules(&self) -> Rules {
        let price = if self.priced { Price { input: 500, cached_input: 50, output: 1500 } } else { Price::default() };
        let main = ModelRules { price, fallback: vec![SPARE.to_owned()], ..ModelRules::default() };
        let spare = ModelRules { price, attempts: 2, ..ModelRules::default() };
        let models = [(MODEL.to_owned(), main), (SPARE.to_owned(), spare)].into();
        let reviewer = self.seed.is_multiple_of(3).then(|| SPARE.to_owned());
        Rules { limits: self.limits.clone(), models, reviewer }
    }
}

fn limits(random: &mut Random) -> Limits {
    let mut limits = Limits { recoveries: if random.chance(800) { 1000 } else { 5 }, ..Limits::default() };
    limits.approval_time = Duration::from_secs(random.between(30, 3600));
    if random.chance(150) {
        limits.turn_time = Duration::from_secs(random.between(5, 90));
    }
    if random.chance(150) {
        limits.model_calls_per_turn = 2;
    }
    if random.chance(200) {
        limits.running_sessions_per_project = 1;
    }
    limits
}
