//! Attention: what one token's queries find among the keys and values of the tokens before it.
//!
//! Keys lie so that a lane is a position, values so that a lane is an element: no sum ever crosses lanes but the one of
//! the weights' total.

use super::{Arithmetic, LANES, Vector, Work, exp, total};

/// Keys and values of [`LANES`] positions, for all layers and heads. For each of these: the keys, for each element all
/// positions; then the values, for each [`LANES`] elements all positions.
#[derive(Clone, Debug)]
pub struct Page(Box<[[f32; LANES]]>);

impl Page {
    /// `parts` layers times heads, of `head` elements each.
    pub fn new(parts: usize, head: usize) -> Self {
        Self(vec![[0.0; LANES]; parts * head * 2].into_boxed_slice())
    }

    /// Writes one position of one part.
    pub fn put(&mut self, part: usize, position: usize, key: &[f32], value: &[f32]) {
        let lanes = &mut self.0[part * key.len() * 2..][..key.len() * 2];
        let (keys, values) = lanes.split_at_mut(key.len());
        for (lanes, key) in keys.iter_mut().zip(key) {
            lanes[position] = *key;
        }
        for (lanes, value) in values.chunks_exact_mut(LANES).zip(value.as_chunks::<LANES>().0) {
            lanes[position] = *value;
        }
    }
}

/// What a query may see: the first `count` positions of some pages, and there the keys and values of one part.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub pages: &'a [Page],
    pub count: usize,
    pub part: usize,
}

impl<'a> Seen<'a> {
    /// For each page: its keys, its values, and how many of its positions count.
    fn parts(self, head: usize) -> impl Iterator<Item = (&'a [[f32; LANES]], &'a [[f32; LANES]], usize)> + Clone {
        let pages = self.pages.iter().take(self.count.div_ceil(LANES)).enumerate();
        pages.map(move |(i, page)| {
            let (keys, values) = page.0[self.part * head * 2..][..head * 2].split_at(head);
            (keys, values, (self.count - i * LANES).min(LANES))
        })
    }
}

impl Arithmetic {
    /// The values that each query finds, by the softmax of its products with the keys. `queries` are of `head` elements
    /// each, `into` is as long as they are. `scores` is room to work in.
    pub fn attend(
        self,
        seen: Seen<'_>,
        queries: &[f32],
        head: usize,
        scores: &mut Vec<[f32; LANES]>,
        into: &mut [f32],
    ) {
        let mut rest = (queries, into);
        while !rest.0.is_empty() {
            let count = (rest.0.len() / head).clamp(1, 4);
            let (queries, queries_rest) = rest.0.split_at(count * head);
            let (into, into_rest) = rest.1.split_at_mut(count * head);
            rest = (queries_rest, into_rest);
            match count {
                1 => self.run(Attend::<1> { seen, queries, head, scores, into }),
                2 => self.run(Attend::<2> { seen, queries, head, scores, into }),
                3 => self.run(Attend::<3> { seen, queries, head, scores, into }),
                _ => self.run(Attend::<4> { seen, queries, head, scores, into }),
            }
        }
    }
}

/// `N` queries at once share the way through the pages.
struct Attend<'a, const N: usize> {
    seen: Seen<'a>,
    queries: &'a [f32],
    head: usize,
    scores: &'a mut Vec<[f32; LANES]>,
    into: &'a mut [f32],
}

impl<const N: usize> Work for Attend<'_, N> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { seen, queries, head, scores, into } = self;
        let scale = 1.0 / (head as f32).sqrt();
        let queries: [&[f32]; N] = std::array::from_fn(|i| &queries[i * head..(i + 1) * head]);
        scores.clear();
        scores.resize(seen.count.div_ceil(LANES) * N, [0.0; LANES]);
        let scores = scores.as_chunks_mut::<N>().0;

        let mut most = [[f32::NEG_INFINITY; LANES]; N];
        for ((keys, _, count), scores) in seen.parts(head).zip(scores.iter_mut()) {
            let mut sums = [V::zero(); N];
            for (element, key) in keys.iter().enumerate() {
                let key = V::load(key);
                for (sum, query) in sums.iter_mut().zip(queries) {
                    *sum = sum.plus(query[element], key);
                }
            }
            for i in 0..N {
                sums[i].store(&mut scores[i]);
                for lane in 0..LANES {
                    let score = if lane < count { scores[i][lane] * scale } else { f32::NEG_INFINITY };
                    scores[i][lane] = score;
                    most[i][lane] = if score > most[i][lane] { score } else { most[i][lane] };
                }
            }
        }
        let most = most.map(|lanes| lanes.into_iter().fold(f32::NEG_INFINITY, f32::max));

        let mut sums = [[0.0_f32; LANES]; N];
        for ((_, _, count), scores) in seen.parts(head).zip(scores.iter_mut()) {
            for i in 0..N {
                for lane in 0..LANES {
                    let share = exp(scores[i][lane] - most[i]);
                    scores[i][lane] = if lane < count { share } else { 0.0 };
                    sums[i][lane] += scores[i][lane];
                }
            }
        }
        let sums = sums.map(total);

        for element in (0..head).step_by(LANES) {
            let mut found = [V::zero(); N];
            for ((_, values, count), scores) in seen.parts(head).zip(scores.iter()) {
                let values = &values[element..element + LANES];
                for (position, value) in values.iter().enumerate().take(count) {
                    let value = V::load(value);
                    for i in 0..N {
                        found[i] = found[i].plus(scores[i][position], value);
                    }
                }
            }
            for i in 0..N {
                let mut lanes = [0.0; LANES];
                found[i].store(&mut lanes);
                into[i * head + element..][..LANES].copy_from_slice(&lanes.map(|lane| lane / sums[i]));
            }
        }
    }
}
