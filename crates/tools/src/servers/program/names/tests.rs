//! Names that a program bore before: the last one found, whatever a machine remembers.

use super::Names;
use crate::servers::program::registry::Registry;
use environments::machine::Fault;
use std::collections::BTreeSet;

fn names(machine: &Registry) -> Names<'_> {
    Names { machine, stem: "p", directory: "/" }
}

#[tokio::test]
async fn the_last_of_many_is_found_in_few_steps_and_ended() {
    for count in [0, 1, 2, 3, 15, 16, 17, 255, 256, 257, 5000, 16_384] {
        let machine = Registry::default();
        let names = names(&machine);
        (0..count).for_each(|number| machine.run(names.name(number)));
        // All but the last were ended when the next was begun.
        machine
            .running
            .lock()
            .unwrap()
            .retain(|name| Some(name) == count.checked_sub(1).map(|n| names.name(n)).as_ref());
        assert_eq!(names.end_earlier().await, Ok(count.checked_sub(1)), "{count}");
        assert_eq!(*machine.running.lock().unwrap(), BTreeSet::new(), "{count}");
        assert!(*machine.asked.lock().unwrap() < super::FIRST + 32, "{count}");
    }
}

#[tokio::test]
async fn where_names_are_forgotten_one_that_runs_is_found_behind_a_gap() {
    for number in [0, 1, 7, super::FIRST - 1] {
        let machine = Registry { forgets: true, ..Registry::default() };
        machine.run(names(&machine).name(number));
        machine.run("another".to_owned());
        assert_eq!(names(&machine).end_earlier().await, Ok(None));
        assert_eq!(*machine.running.lock().unwrap(), BTreeSet::from(["another".to_owned()]));
    }
}

#[tokio::test]
async fn a_machine_to_which_every_name_is_taken_is_given_up() {
    let machine = Registry::default();
    let names = names(&machine);
    (0..=32).map(|power| 1 << power).chain([0]).for_each(|number| machine.run(names.name(number)));
    assert!(matches!(names.end_earlier().await, Err(Fault::Refused(_))));
}
