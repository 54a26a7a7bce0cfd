//! Seeded events of 556 bytes: the handbook's words, drawn by how often they
//! stand there, so that they compress about as English does.

/// One line of JSON, as a peer is given it.
pub const EVENT_BYTES: usize = 556;

/// A generator that is the same on every machine (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The handbook, from which words are drawn.
const PAGES: [&str; 4] = [
    include_str!("../../../docs/admission.md"),
    include_str!("../../../docs/keys.md"),
    include_str!("../../../docs/operations.md"),
    include_str!("../../../docs/threat-model.md"),
];

/// Events with texts of their own.
pub struct Texts {
    words: Vec<&'static str>,
    random: Random,
}

impl Texts {
    pub fn new(seed: u64) -> Self {
        let words = PAGES.iter().flat_map(|page| page.split_ascii_whitespace()).collect();
        Self { words, random: Random(seed) }
    }

    /// An event as the store encodes it: 49 bytes of ids and numbers, then texts;
    /// as a line of JSON it would have [`EVENT_BYTES`].
    pub fn event(&mut self) -> Vec<u8> {
        const AROUND: usize = 190;
        let mut bytes = vec![0; 49];
        self.random.fill(&mut bytes[..16]);
        bytes[17..].copy_from_slice(b"deepseek-chat\x09completed\x06openai\0\0");
        let end = bytes.len() + EVENT_BYTES - AROUND;
        while bytes.len() < end {
            let at = self.random.below(self.words.len());
            bytes.extend_from_slice(self.words[at].as_bytes());
            bytes.push(b' ');
        }
        bytes.truncate(end);
        bytes
    }
}
