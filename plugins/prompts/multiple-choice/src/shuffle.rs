//! An arrangement of choices that follows from a seed and a sample's id alone: the same in every run, on every machine,
//! whichever rows are asked beside it.

/// Which choice stands at which place.
pub struct Order {
    shown: Vec<usize>,
}

impl Order {
    /// Fisher and Yates's shuffle, driven by SplitMix64 (Steele, Lea and Flood 2014) from the FNV-1a hash of the seed's eight
    /// little-endian bytes and the id.
    pub fn new(seed: u64, sample_id: &str, count: usize) -> Order {
        let mut state = fnv1a(seed.to_le_bytes().into_iter().chain(sample_id.bytes()));
        let mut shown: Vec<_> = (0..count).collect();
        for last in (1..count).rev() {
            shown.swap(last, below(splitmix64(&mut state), last + 1));
        }
        Order { shown }
    }

    /// For each place, the index of the choice that stands there.
    pub fn shown(&self) -> &[usize] {
        &self.shown
    }
}

/// The high half of the product, which favours no place by more than one part in 2^59.
fn below(random: u64, bound: usize) -> usize {
    ((u128::from(random) * bound as u128) >> 64) as usize
}

fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stored run is replayed with the arrangement that it was asked with: these may never change.
    #[test]
    fn an_arrangement_is_the_same_for_ever() {
        let check = |seed, id, expect: &[usize]| {
            assert_eq!(Order::new(seed, id, expect.len()).shown(), expect);
        };
        check(0, "1", &[0, 2, 3, 1]);
        check(0, "2", &[2, 0, 3, 1]);
        check(1, "1", &[3, 2, 0, 1]);
        check(u64::MAX, "gsm8k/test/17 é", &[0, 3, 1, 2, 4]);
    }

    #[test]
    fn the_generator_is_the_published_one() {
        let mut state = 0;
        assert_eq!(splitmix64(&mut state), 0xe220_a839_7b1d_cdaf);
        assert_eq!(fnv1a("a".bytes()), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn every_choice_comes_to_stand_at_every_place_about_as_often() {
        let mut counts = [[0_u32; 4]; 4];
        for id in 0..4_000 {
            for (place, &choice) in Order::new(0, &id.to_string(), 4).shown().iter().enumerate() {
                counts[place][choice] += 1;
            }
        }
        // 1,000 are expected, with a standard deviation of 27.
        assert!(
            counts
                .iter()
                .flatten()
                .all(|count| (865..=1_135).contains(count)),
            "{counts:?}"
        );
    }
}
