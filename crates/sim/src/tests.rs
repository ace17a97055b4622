//! The executor's promises, and the store's contract under many seeds.

mod executor;
mod faults;

use crate::{MemStore, Sim};

#[test]
fn the_store_keeps_the_contract_under_every_seed() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let store = MemStore::new(&sim);
        sim.run(store::contract::suite(store)).unwrap();
    }
}
