//! What commands print: some lines in pieces of any size, the same at every attempt, save that a command which is found
//! again may have lost its beginning.

use crate::arena::{Arena, Boundary, Life};
use std::time::Duration;
use types::{Progress, ToolRequest};

/// Prints all of it; returns it.
pub(crate) async fn print(life: &Life, request: &ToolRequest, progress: &dyn Progress) -> String {
    let arena = &life.arena;
    let effect = request.call.effect;
    let is_lost = request.attach && arena.between(0, 2) == 0;
    let text = text(effect.0, is_lost);
    arena.count(match (request.attach, is_lost) {
        (false, _) => "commands begun",
        (true, false) => "commands found again",
        (true, true) => "commands found again without their beginning",
    });
    arena.notes(|notes| notes.printed.entry((request.session.clone(), effect)).or_default().push(text.clone()));
    let middle = arena.between(0, text.len() as u64) as usize;
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (piece, left) = rest.split_at(piece(arena, rest));
        progress.printed(piece);
        if text.len() - rest.len() < middle && text.len() - left.len() >= middle {
            life.cross(Boundary::ToolRuns).await;
        }
        arena.pause(Duration::from_millis(100)).await;
        rest = left;
    }
    text
}

fn text(effect: u64, is_lost: bool) -> String {
    let line = |number: u64| format!("{effect}.{number} \u{fc}ber\n");
    let lines = (u64::from(is_lost)..effect % 4).map(line);
    if is_lost { format!("[lost]\n{}", lines.collect::<String>()) } else { lines.collect() }
}

fn piece(arena: &Arena, rest: &str) -> usize {
    let most = rest.len().min(12) as u64;
    rest.ceil_char_boundary(arena.between(1, most) as usize)
}
