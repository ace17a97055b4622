//! Words of the wire and words of `types`: the same sets, spelled where each belongs. Both directions of each pair
//! stand in one line, so that a new word cannot be added to one side only. Tiers have one direction where a door knows
//! more of them than are told apart inside.

use types as inner;
use wire::{agents, chat, responses};

/// The same word on the other side.
pub trait Translate<T> {
    fn translate(self) -> T;
}

macro_rules! pairs {
    ($($outer:ty = $inner:ident { $($variant:ident),+ $(,)? })+) => {$(
        impl Translate<inner::$inner> for $outer {
            fn translate(self) -> inner::$inner {
                match self { $(Self::$variant => inner::$inner::$variant),+ }
            }
        }
        impl Translate<$outer> for inner::$inner {
            fn translate(self) -> $outer {
                match self { $(Self::$variant => <$outer>::$variant),+ }
            }
        }
    )+};
}

pairs! {
    agents::Effort = Effort { None, Minimal, Low, Medium, High, Xhigh, Max }
    agents::ReasoningSummary = ReasoningSummary { Concise, Detailed, Auto }
    responses::Summary = ReasoningSummary { Auto, Concise, Detailed }
    agents::Verbosity = Verbosity { Low, Medium, High }
    agents::ServiceTier = ServiceTier { Auto, Default, Flex, Priority, Fast, Ultrafast }
    agents::Review = Review { None, AutoReview }
    agents::CacheTtl = PromptCacheTtl { ThirtyMinutes, TwelveHours }
    agents::ContainerSize = ContainerSize { Small, Medium, Large }
    agents::NetworkAccess = NetworkAccess { Disabled, Enabled, Restricted }
    agents::EnvironmentStatus = EnvironmentStatus { Pending, Ready, Connected, Disconnected, Suspended, Expired, Failed }
    agents::SessionStatus = SessionStatus { Idle, InProgress, RequiresAction, Failed, BudgetReached }
    agents::TurnStatus = TurnStatus { Queued, InProgress, Waiting, Completed, Failed, Cancelled }
    agents::Phase = Phase { Commentary, FinalAnswer }
}

impl Translate<inner::ServiceTier> for responses::ServiceTier {
    fn translate(self) -> inner::ServiceTier {
        match self {
            Self::Auto => inner::ServiceTier::Auto,
            Self::Default | Self::Scale => inner::ServiceTier::Default,
            Self::Flex => inner::ServiceTier::Flex,
            Self::Priority => inner::ServiceTier::Priority,
            Self::Fast => inner::ServiceTier::Fast,
            Self::Ultrafast => inner::ServiceTier::Ultrafast,
        }
    }
}

impl Translate<inner::ServiceTier> for chat::request::Tier {
    fn translate(self) -> inner::ServiceTier {
        match self {
            Self::Auto => inner::ServiceTier::Auto,
            Self::Default | Self::Scale => inner::ServiceTier::Default,
            Self::Flex => inner::ServiceTier::Flex,
            Self::Priority => inner::ServiceTier::Priority,
            Self::Fast => inner::ServiceTier::Fast,
        }
    }
}
