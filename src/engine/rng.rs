//! A seeded generator for ids and tokens (`SplitMix64`). The shell seeds it from the OS, tests
//! from a number, and replay never draws from it.

#[derive(Clone, Debug)]
pub struct Rng(u64, u64);

impl Rng {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the seed")]
    pub fn new(seed: u128) -> Self {
        // Two equal halves would cancel each other out for ever without the constant.
        Self(seed as u64, (seed >> 64) as u64 ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn next_u64(&mut self) -> u64 {
        split_mix(&mut self.0) ^ split_mix(&mut self.1)
    }

    pub fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_le_bytes());
        bytes
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
