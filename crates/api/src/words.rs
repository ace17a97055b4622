//! Words of the wire and words of `types`: the same sets, spelled where each belongs. Both directions of each pair
//! stand in one line, so that a new word cannot be added to one side only.

use types as inner;
use wire::agents as outer;

/// The same word on the other side.
pub trait Translate<T> {
    fn translate(self) -> T;
}

macro_rules! pairs {
    ($($outer:ident = $inner:ident { $($variant:ident),+ $(,)? })+) => {$(
        impl Translate<inner::$inner> for outer::$outer {
            fn translate(self) -> inner::$inner {
                match self { $(Self::$variant => inner::$inner::$variant),+ }
            }
        }
        impl Translate<outer::$outer> for inner::$inner {
            fn translate(self) -> outer::$outer {
                match self { $(Self::$variant => outer::$outer::$variant),+ }
            }
        }
    )+};
}

pairs! {
    Effort = Effort { None, Minimal, Low, Medium, High, Xhigh, Max }
    ReasoningSummary = ReasoningSummary { Concise, Detailed, Auto }
    Verbosity = Verbosity { Low, Medium, High }
    ServiceTier = ServiceTier { Auto, Default, Flex, Priority, Fast, Ultrafast }
    Review = Review { None, AutoReview }
    CacheTtl = PromptCacheTtl { ThirtyMinutes, TwelveHours }
    SessionStatus = SessionStatus { Idle, InProgress, RequiresAction, Failed, BudgetReached }
    TurnStatus = TurnStatus { Queued, InProgress, Waiting, Completed, Failed, Cancelled }
    Phase = Phase { Commentary, FinalAnswer }
}
