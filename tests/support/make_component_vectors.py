#!/usr/bin/env python3
"""Writes tests/unit/data/components.jsonl: every component of a tokenizer.json on its own, and what Hugging
Face's `tokenizers` library makes of awkward texts with it.

The model of the rows is a probe (first row): one token for every byte, all with the offsets of their piece.
So ids show the normalized text, offsets the alignment and where the text was cut. A row is
{"name", "parts" (of a tokenizer.json), "cases"}; a case has "text" (and "pair") or "tokens". Offsets are
[begin, end, how many tokens have them]."""

import itertools
import json
import pathlib

from tokenizers import Regex, Tokenizer, decoders, models, normalizers as n, pre_tokenizers as p, processors

from make_tokenizer_vectors import case

TEXTS = ["", " ", "Hello world", "  Hello\t WORLD \n", "don't-stop, it's 12.5%!", "café cafe\u0301 É ﬁ ½ Ⅷ",
         "a1b22c333", "世界 hello日本", "😀 👩‍👧 z", "\u0130I ΑΒΓς ß", "a\u0323\u0307b \u1100\u1161\u11a8",
         "\x00a\x07b\u200bc\ufffdd\u00ade\u2028f", "▁x▁▁y ▁", "--a--b-", "…x..y", "ﷺ ｱﾞ ㌀"]
CHARSMAP = ("FB01\t66 69", "2026\t2E 2E 2E", "00A0\t20", "0009\t20", "FF21\t41", "0041 030A\tC5")


def charsmap():
    """A compiled character map as sentencepiece writes it."""
    import tempfile

    import sentencepiece

    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("\n".join(CHARSMAP) + "\n")
        rules.flush()
        import io
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e"] * 9), model_writer=out, vocab_size=9, num_threads=1, minloglevel=2,
            normalization_rule_tsv=rules.name, hard_vocab_limit=False)
    from sentencepiece import sentencepiece_model_pb2 as proto
    return proto.ModelProto.FromString(out.getvalue()).normalizer_spec.precompiled_charsmap


def probe():
    vocab = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)] + ["[X]", "[Y]"]
    return models.Unigram([(token, -1.0) for token in vocab], 0, True)


def normalizers():
    yield "NFC", n.NFC()
    yield "NFD", n.NFD()
    yield "NFKC", n.NFKC()
    yield "NFKD", n.NFKD()
    yield "Lowercase", n.Lowercase()
    yield "StripAccents", n.StripAccents()
    yield "StripAccents after NFD", n.Sequence([n.NFD(), n.StripAccents()])
    yield "Replace string", n.Replace("l", "<LL>")
    yield "Replace by nothing", n.Replace("l", "")
    yield "Replace regex", n.Replace(Regex(r"\s+"), "_")
    yield "Prepend", n.Prepend("▁▁")
    yield "Strip", n.Strip()
    yield "Strip left", n.Strip(left=True, right=False)
    yield "Strip right", n.Strip(left=False, right=True)
    yield "Precompiled", n.Precompiled(charsmap())
    yield "Nmt", n.Nmt()
    yield "ByteLevel", n.ByteLevel()
    yield "BertNormalizer", n.BertNormalizer()
    yield "BertNormalizer cased", n.BertNormalizer(lowercase=False)
    yield "BertNormalizer accents", n.BertNormalizer(lowercase=True, strip_accents=False)
    yield "BertNormalizer bare", n.BertNormalizer(clean_text=False, handle_chinese_chars=False, lowercase=False)
    yield "Sequence", n.Sequence([n.NFKD(), n.Lowercase(), n.Replace("-", " "), n.Strip()])


def pre_tokenizers():
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            name = behavior + " inverted" * invert
            yield "Split " + name, p.Split(Regex(r"[\s\d-]"), behavior, invert)
        yield "Punctuation " + behavior, p.Punctuation(behavior)
    yield "Split string", p.Split("-", "isolated")
    yield "Split regex", p.Split(Regex(r"\w+|[^\w\s]+"), "removed", True)
    yield "Digits", p.Digits()
    yield "Digits individual", p.Digits(individual_digits=True)
    yield "Whitespace", p.Whitespace()
    yield "WhitespaceSplit", p.WhitespaceSplit()
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            yield f"Metaspace {scheme} {split}", p.Metaspace("▁", prepend_scheme=scheme, split=split)
            yield (f"WhitespaceSplit, Metaspace {scheme} {split}",
                   p.Sequence([p.WhitespaceSplit(), p.Metaspace("▁", prepend_scheme=scheme, split=split)]))
    yield "Metaspace underline", p.Metaspace("_")
    yield "BertPreTokenizer", p.BertPreTokenizer()
    yield "ByteLevel", p.ByteLevel(add_prefix_space=False)
    yield "ByteLevel prefix", p.ByteLevel(add_prefix_space=True)
    yield "ByteLevel whole", p.ByteLevel(add_prefix_space=False, use_regex=False)
    yield "CharDelimiterSplit", p.CharDelimiterSplit("-")
    yield "FixedLength", p.FixedLength(3)
    yield "Sequence", p.Sequence([p.WhitespaceSplit(), p.Punctuation(), p.Digits(True)])


def post_processors():
    template = {"special_tokens": [("[X]", 257), ("[Y]", 258)]}
    yield "TemplateProcessing", processors.TemplateProcessing(
        single="[X] $A [Y] [Y]:3", pair="[X] $B:1 [Y]:1 $A:2 [X]:2", **template)
    yield "TemplateProcessing bare", processors.TemplateProcessing(single="$A", pair="$A $B", **template)
    yield "BertProcessing", processors.BertProcessing(("[Y]", 258), ("[X]", 257))
    for trim in (False, True):
        for prefix in (False, True):
            yield f"RobertaProcessing {trim} {prefix}", processors.RobertaProcessing(
                ("[Y]", 258), ("[X]", 257), trim_offsets=trim, add_prefix_space=prefix)
        yield f"ByteLevel {trim}", processors.ByteLevel(trim_offsets=trim)
    yield "Sequence", processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(
        single="[X] $A", pair="[X] $A [Y] $B:1", **template)])


TOKENS = [["Hello", "world", "!"], ["▁Hello", "▁world", "▁", "x"], ["He", "##llo", "##", "wor", "##ld", ".", "n't"],
          ["He", "llo</w>", "world</w>", "!</w>"], ["Ġ", "Hello", "Ġworld", "Ã©", "日", "Ã"], ["▁"], ["▁▁", "▁a"],
          ["<0x48>", "<0xC3>", "<0xA9>", "x", "<0xE4>", "y", "<0xZZ>"], ["a", "a", "<pad>", "a", "|", "|", "b", "<pad>b"],
          ["  a ", " b", "  "], ["aa", "ba", "ab"], ["do", "not", "'", "s", "I", "'m", "?"], ["é", "e\u0301", "😀"]]


def token_decoders():
    yield "BPEDecoder", decoders.BPEDecoder()
    yield "ByteLevel", decoders.ByteLevel()
    yield "ByteFallback", decoders.ByteFallback()
    yield "CTC", decoders.CTC()
    yield "CTC raw", decoders.CTC(pad_token="a", word_delimiter_token="b", cleanup=False)
    yield "Fuse", decoders.Fuse()
    for scheme in ("always", "first", "never"):
        yield "Metaspace " + scheme, decoders.Metaspace(prepend_scheme=scheme)
    yield "Replace string", decoders.Replace("a", "[]")
    yield "Replace regex", decoders.Replace(Regex("[lo]+"), "0")
    yield "Strip", decoders.Strip(" ", 1, 1)
    yield "Strip two", decoders.Strip("a", 2, 0)
    yield "WordPiece", decoders.WordPiece()
    yield "WordPiece raw", decoders.WordPiece(prefix="##", cleanup=False)
    yield "Sequence", decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                         decoders.Strip(" ", 1, 0)])


def small_models():
    letters = {c: i for i, c in enumerate(["<unk>", "a", "b", "c", "ab", "abc", "bc"])}
    merges = [("b", "c"), ("a", "b"), ("a", "bc")]
    yield "BPE", models.BPE(letters, merges)
    yield "BPE unk", models.BPE(letters, merges, unk_token="<unk>")
    yield "BPE fuse_unk", models.BPE(letters, merges, unk_token="<unk>", fuse_unk=True)
    yield "BPE ignore_merges", models.BPE(letters | {"cab": 7}, merges, ignore_merges=True)
    fallback = letters | {f"<0x{byte:02X}>": 7 + byte for byte in range(256)}
    yield "BPE byte_fallback", models.BPE(fallback, merges, unk_token="<unk>", byte_fallback=True)
    del fallback["<0xC3>"]
    fallback = {token: i for i, token in enumerate(fallback)}
    yield "BPE byte_fallback with a hole", models.BPE(fallback, merges, unk_token="<unk>", byte_fallback=True)
    words = ["<unk>", "a", "b", "c", "a</w>", "b</w>", "c</w>", "ab", "bc</w>", "abc</w>"]
    yield "BPE end_of_word_suffix", models.BPE(
        {w: i for i, w in enumerate(words)}, [("a", "b"), ("b", "c</w>"), ("ab", "c</w>")], unk_token="<unk>",
        end_of_word_suffix="</w>")
    words = ["<unk>", "a", "b", "c", "##a", "##b", "##c", "ab", "##bc", "abc"]
    yield "BPE continuing_subword_prefix", models.BPE(
        {w: i for i, w in enumerate(words)}, [("a", "##b"), ("##b", "##c"), ("ab", "##c")], unk_token="<unk>",
        continuing_subword_prefix="##")
    scores = [("<unk>", 0.0), ("a", -1.0), ("b", -1.5), ("c", -2.0), ("ab", -2.2), ("abc", -4.0), ("bc", -2.6)]
    yield "Unigram", models.Unigram(scores, 0, False)
    yield "Unigram byte_fallback", models.Unigram(
        scores + [(f"<0x{byte:02X}>", -9.0) for byte in range(256)], 0, True)
    pieces = {w: i for i, w in enumerate(["<unk>", "a", "##b", "##bc", "ab", "##c", "b", "日", "##本"])}
    yield "WordPiece", models.WordPiece(pieces, unk_token="<unk>")
    yield "WordPiece short words", models.WordPiece(pieces, unk_token="<unk>", max_input_chars_per_word=3)
    yield "WordPiece prefix", models.WordPiece(
        {w: i for i, w in enumerate(["<unk>", "a", "@b", "@c"])}, unk_token="<unk>", continuing_subword_prefix="@")
    yield "WordLevel", models.WordLevel(pieces, unk_token="<unk>")


WORDS = ["", "abc", "ab cab abcabc", "abxc ééb", "日本 日本b x", "a" * 7 + "bc", "aé本", "bcbcbc abab"]


def parts_of(tokenizer, *names):
    state = json.loads(tokenizer.to_str())
    return {name: state[name] for name in names}


def decoder_case(decoder, tokens):
    listed = list(dict.fromkeys(tokens))
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(listed)}, unk_token=""))
    tokenizer.decoder = decoder
    return {"tokens": tokens, "decoded": tokenizer.decode([listed.index(token) for token in tokens])}


def rows():
    yield {"name": "probe", "parts": parts_of(Tokenizer(probe()), "model"), "cases": []}
    groups = {"normalizer": normalizers(), "pre_tokenizer": pre_tokenizers(), "post_processor": post_processors()}
    for kind, made in groups.items():
        for name, part in made:
            tokenizer = Tokenizer(probe())
            setattr(tokenizer, kind, part)
            if kind == "post_processor":
                tokenizer.pre_tokenizer = p.ByteLevel(add_prefix_space=True)
            cases = [case(tokenizer, text) for text in TEXTS]
            if kind == "post_processor":
                cases = [case(tokenizer, text) for text in TEXTS[:5]] + [case(tokenizer, " Hi you ", " b c")]
            parts = parts_of(tokenizer, kind, "pre_tokenizer")
            yield {"name": f"{kind} {name}", "parts": parts, "cases": cases}
    for name, model in small_models():
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = p.WhitespaceSplit()
        cases = [case(tokenizer, text) for text in WORDS]
        yield {"name": "model " + name, "parts": parts_of(tokenizer, "model", "pre_tokenizer"), "cases": cases}
    for name, decoder in token_decoders():
        tokenizer = Tokenizer(probe())
        tokenizer.decoder = decoder
        cases = [decoder_case(decoder, tokens) for tokens in TOKENS]
        yield {"name": "decoder " + name, "parts": parts_of(tokenizer, "decoder"), "cases": cases}


def main():
    path = pathlib.Path(__file__).parent.parent / "unit" / "data" / "components.jsonl"
    with path.open("w") as out:
        for row in rows():
            for one in row["cases"]:
                if one.get("all") == one["decoded"]:
                    one.pop("all", None)
                if "offsets" in one:
                    runs = itertools.groupby(one["offsets"])
                    one["offsets"] = [[*span, len(list(run))] for span, run in runs]
                if not any(one.get("types", [])):
                    one.pop("types", None)
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
