//! Notifications in every order, and what the executor says when it is asked.

use super::*;
use wire::executor::Base64;

fn readings(seqs: &[u64], exit_code: Option<i32>, closed: bool) -> ProcessReadings {
    let chunk =
        |seq: &u64| wire::executor::Chunk { seq: *seq, stream: Stream::Stdout, chunk: Base64(vec![*seq as u8]) };
    ProcessReadings {
        chunks: seqs.iter().map(chunk).collect(),
        next_seq: seqs.last().map_or(1, |last| last + 1),
        exited: exit_code.is_some(),
        exit_code,
        closed,
        failure: None,
        sandbox_denied: false,
    }
}

fn say(process: &mut Process, seq: u64) {
    process.output(seq, Stream::Stdout, vec![seq as u8]);
}

fn output(process: &Process, after: u64) -> Output {
    match process.look(after) {
        Look::News(output) | Look::Nothing(output) => output,
        Look::Stale { .. } => panic!("stale"),
        Look::Gone => panic!("gone"),
    }
}

fn seqs(output: &Output) -> Vec<u64> {
    output.chunks.iter().map(|chunk| chunk.seq).collect()
}

#[test]
fn what_comes_in_order_is_there() {
    let mut process = Process::new(1000, false);
    assert!(matches!(process.look(0), Look::Nothing(_)));
    say(&mut process, 1);
    process.exited(2, 3);
    say(&mut process, 3);
    say(&mut process, 3);
    assert_eq!(seqs(&output(&process, 0)), [1, 3]);
    assert!(matches!(process.look(1), Look::News(_)));
    assert!(matches!(process.look(3), Look::Nothing(_)));
    process.closed(4);
    let all = output(&process, 0);
    assert_eq!((all.exit_code, all.closed, all.lost, all.next), (Some(3), true, false, 3));
}

#[test]
fn an_exit_alone_is_news_once() {
    let mut process = Process::new(1000, false);
    process.exited(1, 0);
    let Look::News(output) = process.look(0) else { panic!("no news") };
    assert!(matches!(process.look(output.next), Look::Nothing(_)));
}

#[test]
fn a_gap_is_asked_for_and_closed() {
    let mut process = Process::new(1000, false);
    say(&mut process, 1);
    say(&mut process, 4);
    let Look::Stale { heard: 4 } = process.look(0) else { panic!("no gap") };
    assert_eq!(process.last(), 1);
    process.readings(readings(&[2, 3], None, false));
    say(&mut process, 5);
    // Five came while the executor answered: it has to be asked again.
    assert!(!process.settle(4));
    process.readings(readings(&[4, 5], None, false));
    assert!(process.settle(5));
    let all = output(&process, 0);
    assert_eq!((seqs(&all), all.lost), (vec![1, 2, 3, 4, 5], false));
    say(&mut process, 6);
    assert_eq!(seqs(&output(&process, 5)), [6]);
}

/// The exit's number lies between those of two chunks.
#[test]
fn the_exit_is_no_gap() {
    let mut process = Process::new(1000, true);
    process.readings(readings(&[1, 3], Some(0), true));
    assert!(process.settle(0));
    assert!(!output(&process, 0).lost);
    let mut process = Process::new(1000, false);
    process.exited(2, 0);
    process.closed(3);
    process.readings(readings(&[1], Some(0), true));
    assert!(process.settle(3));
    assert!(!output(&process, 0).lost);
}

#[test]
fn what_the_executor_does_not_keep_is_lost() {
    let mut process = Process::new(1000, true);
    process.readings(readings(&[7, 8], None, false));
    assert!(process.settle(0));
    assert!(output(&process, 0).lost && output(&process, 5).lost);
    assert!(!output(&process, 6).lost);
    // It speaks of what it then does not have.
    say(&mut process, 20);
    assert!(process.settle(20));
    assert_eq!((output(&process, 8).lost, process.last()), (true, 20));
    say(&mut process, u64::MAX);
    assert!(process.settle(u64::MAX));
    say(&mut process, u64::MAX);
}

#[test]
fn the_oldest_goes_first() {
    let mut process = Process::new(2 * (4 + CHUNK_COST), false);
    for seq in 1..=4 {
        process.output(seq, Stream::Stderr, vec![0; 4]);
    }
    let kept = output(&process, 0);
    assert_eq!((seqs(&kept), kept.lost), (vec![3, 4], true));
    process.output(5, Stream::Stdout, vec![0; 9 + CHUNK_COST]);
    assert_eq!(seqs(&output(&process, 0)), [0; 0]);
    assert!(output(&process, 4).lost);
}

#[test]
fn more_is_kept_of_what_a_reader_has_not_come_to_yet() {
    let mut process = Process::new(2 * (4 + CHUNK_COST), false);
    process.read_on(1);
    for seq in 1..=9 {
        process.output(seq, Stream::Stdout, vec![0; 4]);
    }
    let kept = output(&process, 1);
    assert_eq!((seqs(&kept), kept.lost), ((2..=9).collect(), false));
    process.output(10, Stream::Stdout, vec![0; 4]);
    let kept = output(&process, 1);
    // What a reader was too slow for is counted.
    assert_eq!((kept.lost, kept.place, seqs(&kept)), (true, 8, (3..=10).collect()));
    process.read_on(10);
    process.output(11, Stream::Stdout, vec![0; 4]);
    assert_eq!(seqs(&output(&process, 0)), [10, 11]);
}

#[test]
fn empty_chunks_are_bounded_too() {
    let mut process = Process::new(3 * CHUNK_COST, false);
    for seq in 1..=100 {
        process.output(seq, Stream::Stdout, Vec::new());
    }
    assert_eq!(seqs(&output(&process, 0)), [98, 99, 100]);
}

#[test]
fn a_failure_is_told_in_plain_words() {
    let mut process = Process::new(1000, false);
    process.readings(ProcessReadings { failure: Some("no\u{1b}c\nway".to_owned()), ..readings(&[], None, false) });
    assert_eq!(output(&process, 0).failure.as_deref(), Some("noc way"));
}

#[test]
fn a_lost_session_leaves_what_was_heard() {
    let mut process = Process::new(1000, false);
    say(&mut process, 1);
    process.interrupted();
    assert!(matches!(process.look(0), Look::Stale { .. }));
    process.lose();
    assert_eq!(seqs(&output(&process, 0)), [1]);
    assert!(matches!(process.look(1), Look::Gone));
    let mut process = Process::new(1000, false);
    process.exited(1, 0);
    process.closed(2);
    process.lose();
    assert!(output(&process, 1).closed);
}

#[test]
fn what_is_over_and_was_read_is_the_executors_to_keep() {
    let mut process = Process::new(1000, false);
    say(&mut process, 1);
    process.release();
    assert_eq!(seqs(&output(&process, 0)), [1]);
    say(&mut process, 2);
    process.exited(3, 7);
    process.closed(4);
    process.release();
    assert_eq!((process.chunks.len(), process.bytes), (0, 0));
    process.read_on(2);
    let end = output(&process, 2);
    assert_eq!((end.exit_code, end.closed, end.lost), (Some(7), true, false));
    // Again from the beginning, of which the executor has half.
    process.read_on(0);
    let Look::Stale { heard } = process.look(0) else { panic!("it is not asked for") };
    assert_eq!(process.last(), 0);
    process.readings(readings(&[2], Some(7), true));
    assert!(process.settle(heard));
    let again = output(&process, 0);
    assert_eq!((seqs(&again), again.exit_code, again.closed, again.lost), (vec![2], Some(7), true, true));
    // Its session is lost meanwhile.
    process.release();
    process.read_on(0);
    process.lose();
    let end = output(&process, 0);
    assert_eq!((seqs(&end), end.exit_code, end.closed, end.lost), (vec![], Some(7), true, true));
}
