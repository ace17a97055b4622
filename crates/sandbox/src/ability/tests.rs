//! What is agreed with machines that lack something.

use super::*;

fn machine(lacks: &[Layer]) -> Ability {
    let finding = |layer| match lacks.contains(&layer) {
        true => Finding::unable(layer, "it is old", "take a newer one"),
        false => Finding::able(layer, "by trying"),
    };
    Ability { findings: Layer::ALL.into_iter().map(finding).collect() }
}

#[test]
fn a_whole_machine_gives_all() {
    assert_eq!(machine(&[]).agree(&Isolation::full(), false).unwrap(), Isolation::full());
    assert_eq!(machine(&[]).missing().count(), 0);
}

#[test]
fn a_weak_one_is_refused_unless_that_is_allowed() {
    let machine = machine(&[Layer::Landlock, Layer::Limits]);
    let refused = machine.agree(&Isolation::full(), false).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the sandbox would lack Landlock, control group limits; allow a weak sandbox, or see `outcrop doctor`"
    );
    let agreed = machine.agree(&Isolation::full(), true).unwrap();
    assert_eq!(agreed.lacking(), [Layer::Landlock, Layer::Limits]);
}

#[test]
fn what_hides_the_machine_is_never_given_up_in_silence() {
    for layer in [Layer::Mounts, Layer::Pid, Layer::Network] {
        match machine(&[layer, Layer::Seccomp]).agree(&Isolation::full(), true) {
            Err(Error::Unable { missing }) => assert_eq!(missing, [layer]),
            other => panic!("{other:?}"),
        }
        let wanted = Isolation::full().without(&[layer]);
        assert!(machine(&[layer]).agree(&wanted, true).is_ok(), "it was not wanted");
        assert!(machine(&[layer]).agree(&wanted, false).is_err());
    }
}
