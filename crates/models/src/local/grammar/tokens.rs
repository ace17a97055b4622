//! The tokens of a vocabulary by their bytes: which of them may follow, and how few of them spell a text.

/// No token ends here.
const NONE: u32 = u32::MAX;

/// All tokens that say something, as a tree of bytes in the order in which it is walked.
pub(in crate::local) struct Tokens {
    nodes: Vec<Node>,
    pieces: Vec<Box<[u8]>>,
    /// Tokens that end an answer and are never text.
    endings: Vec<u32>,
    /// Tokens with a quotation mark in them.
    quoting: Vec<u32>,
    depth: usize,
}

struct Node {
    byte: u8,
    depth: u32,
    /// The token that ends here.
    token: u32,
    /// The first node that is not below this one.
    end: u32,
}

impl Tokens {
    /// `pieces` are what the tokens say, by their numbers; one that says nothing is never chosen. Of tokens that say the
    /// same the first is chosen.
    pub fn new(pieces: Vec<Box<[u8]>>, endings: Vec<u32>) -> Self {
        let mut order: Vec<u32> =
            (0_u32..).zip(&pieces).filter(|(_, piece)| !piece.is_empty()).map(|(i, _)| i).collect();
        order.sort_by(|a, b| pieces[*a as usize].cmp(&pieces[*b as usize]).then(a.cmp(b)));
        let mut nodes: Vec<Node> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut last: &[u8] = &[];
        for token in order {
            let piece = &*pieces[token as usize];
            let shared = piece.iter().zip(last).take_while(|(a, b)| a == b).count();
            if shared == piece.len() {
                continue;
            }
            close(&mut nodes, &mut open, shared);
            for (depth, byte) in (0_u32..).zip(piece).skip(shared) {
                open.push(nodes.len());
                nodes.push(Node { byte: *byte, depth, token: NONE, end: 0 });
            }
            if let Some(node) = nodes.last_mut() {
                node.token = token;
            }
            last = piece;
        }
        close(&mut nodes, &mut open, 0);
        let quoting = (0_u32..).zip(&pieces).filter(|(_, piece)| piece.contains(&b'"')).map(|(i, _)| i).collect();
        let depth = pieces.iter().map(|piece| piece.len()).max().unwrap_or(0);
        Self { nodes, pieces, endings, quoting, depth }
    }

    /// A vocabulary of single bytes: what can be said with it does not depend on any model.
    pub fn bytes() -> Self {
        Self::new((0..=u8::MAX).map(|byte| vec![byte].into_boxed_slice()).collect(), vec![])
    }

    /// How many numbers there are, those of silent tokens included.
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    pub fn piece(&self, token: u32) -> &[u8] {
        self.pieces.get(token as usize).map_or(&[], |piece| piece)
    }

    pub fn endings(&self) -> &[u32] {
        &self.endings
    }

    pub fn quoting(&self) -> &[u32] {
        &self.quoting
    }

    /// Every token that can be spelled from `start`, with where it leads. `step` says where a byte does.
    pub fn walk(&self, start: u32, mut step: impl FnMut(u32, u8) -> Option<u32>) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        let mut places = vec![start; self.depth + 1];
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            match step(places[node.depth as usize], node.byte) {
                None => at = node.end as usize,
                Some(place) => {
                    places[node.depth as usize + 1] = place;
                    if node.token != NONE {
                        found.push((node.token, place));
                    }
                    at += 1;
                }
            }
        }
        found
    }

    /// For each place in `text`, the least number of tokens that spell the rest of it. A byte that no token says counts
    /// as one.
    pub fn costs(&self, text: &[u8]) -> Box<[u32]> {
        let mut costs = vec![0; text.len() + 1];
        for from in (0..text.len()).rev() {
            let mut best = costs[from + 1] + 1;
            let mut level = 0..self.nodes.len();
            for (length, byte) in (1..).zip(&text[from..]) {
                let Some(node) = self.child(level, *byte) else { break };
                if self.nodes[node].token != NONE {
                    best = best.min(1 + costs[from + length]);
                }
                level = node + 1..self.nodes[node].end as usize;
            }
            costs[from] = best;
        }
        costs.into_boxed_slice()
    }

    fn child(&self, mut level: std::ops::Range<usize>, byte: u8) -> Option<usize> {
        while level.start < level.end {
            let node = &self.nodes[level.start];
            if node.byte == byte {
                return Some(level.start);
            }
            level.start = node.end as usize;
        }
        None
    }
}

fn close(nodes: &mut [Node], open: &mut Vec<usize>, keep: usize) {
    let end = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    for node in open.drain(keep..) {
        nodes[node].end = end;
    }
}
