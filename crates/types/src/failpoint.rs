//! Failpoints: places on the way of a turn, marked in the code as `types::failpoint!(Name);`, at which a build with the
//! feature `failpoints` can be made to die. In every other build a mark is nothing at all.
//!
//! Here is the list and who is told; what then happens is the binary's to say. A mark that is not in the list does not
//! compile, and one that is in the list and nowhere else fails the test that goes through it.

#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($name:ident) => {};
}

#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:ident) => {
        $crate::marks::pass($crate::marks::Failpoint::$name)
    };
}

/// The marks and their watcher.
#[cfg(feature = "failpoints")]
pub mod marks {
    use std::sync::OnceLock;

    macro_rules! marks {
        ($($name:ident = $text:literal,)*) => {
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            pub enum Failpoint { $($name),* }

            impl Failpoint {
                pub const ALL: &[Self] = &[$(Self::$name),*];

                /// Its name outside.
                pub fn name(self) -> &'static str {
                    match self { $(Self::$name => $text),* }
                }
            }
        };
    }

    marks! {
        // An input, from the door to its answer.
        BeforeInput = "before-input",
        BeforeReply = "before-reply",
        BeforeAnswer = "before-answer",
        // A model call.
        BeforeIntent = "before-intent",
        BeforeDispatch = "before-dispatch",
        InStream = "in-stream",
        BeforeOutcome = "before-outcome",
        AfterOutcome = "after-outcome",
        // An append.
        BeforePublish = "before-publish",
        AfterPublish = "after-publish",
        BeforeTransaction = "before-transaction",
        BeforeCommit = "before-commit",
        AfterCommit = "after-commit",
        BeforeCheckpoint = "before-checkpoint",
        AfterCheckpoint = "after-checkpoint",
        // A large body.
        BlobBeforeSync = "blob-before-sync",
        BlobBeforeRename = "blob-before-rename",
        BlobBeforeFolderSync = "blob-before-folder-sync",
        BlobAfter = "blob-after",
        // A node's start, and a session that it takes over.
        BeforeEpoch = "before-epoch",
        AfterEpoch = "after-epoch",
        BeforeListening = "before-listening",
        BeforeRecovered = "before-recovered",
        AfterRecovered = "after-recovered",
        // What has no log.
        BeforeDelete = "before-delete",
        AfterDelete = "after-delete",
        BeforeRow = "before-row",
        AfterRow = "after-row",
        BeforeKey = "before-key",
        AfterKey = "after-key",
    }

    type Watcher = Box<dyn Fn(Failpoint) + Send + Sync>;

    static WATCHER: OnceLock<Watcher> = OnceLock::new();

    /// From now on `watcher` is told of every mark that is passed. The first one stays.
    pub fn watch(watcher: impl Fn(Failpoint) + Send + Sync + 'static) {
        let _ = WATCHER.set(Box::new(watcher));
    }

    pub fn pass(point: Failpoint) {
        if let Some(watcher) = WATCHER.get() {
            watcher(point);
        }
    }
}
