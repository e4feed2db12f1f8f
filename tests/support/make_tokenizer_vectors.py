#!/usr/bin/env python3
"""Writes tests/unit/data/tokenizers.jsonl: small tokenizers of every kind and step, each with texts and what
Hugging Face's `tokenizers` library makes of them. One row: {"name", "json" (a tokenizer.json), "cases"}."""

import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = ["The quick brown fox jumps over the lazy dog.", "Hello world! How are you today? I'm fine, don't worry.",
          "numbers 123 4567 and dates 2023-01-31", "café naïve über straße résumé", "日本語 テキスト 世界",
          "low lower lowest new newer newest wide wider widest"] * 3
TEXTS = ["", " ", "Hello world", "  Hello   WORLD  ", "don't you'll I'M it's", "low lowest newer", "café cafe\u0301 É",
         "a1b22c333 1234567", "tab\tline\nnext\r\nend\u00a0x", "世界 hello 日本", "😀 👩‍👩‍👧 z", "<s>hi</s> <mask> x <mask>",
         "word<mask>word [MASK]", "x" * 60, "ﬁ ½ Ⅷ \u0130 ΑΒΓς", "a\u0323\u0307b \u1100\u1161\u11a8", "!?... --- a,b;c"]
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]
MASK = AddedToken("<mask>", lstrip=True, special=True)


def bpe(**options):
    return Tokenizer(models.BPE(unk_token="<unk>", **options))


def train(tokenizer, kind, **options):
    tokenizer.train_from_iterator(CORPUS, kind(special_tokens=SPECIAL, show_progress=False, **options))
    return tokenizer


def byte_level(pre, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=340, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def make():
    ByteLevel = pre_tokenizers.ByteLevel
    gpt2 = byte_level(ByteLevel(add_prefix_space=False))
    gpt2.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "gpt2", gpt2
    roberta = byte_level(ByteLevel(add_prefix_space=True))
    roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1), True, True)
    roberta.add_special_tokens([MASK])
    yield "roberta", roberta
    digits = byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), ByteLevel(add_prefix_space=False)]))
    yield "digits", digits
    falcon = byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), ByteLevel(add_prefix_space=False), pre_tokenizers.Digits(False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    yield "falcon", falcon
    llama3 = byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                                   r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        ByteLevel(add_prefix_space=False, use_regex=False)]), ignore_merges=True)
    llama3.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])])
    yield "llama3", llama3
    clip = bpe(end_of_word_suffix="</w>", fuse_unk=False)
    clip.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "),
                                            normalizers.Lowercase()])
    clip.pre_tokenizer = pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
                                              "removed", invert=True)
    clip.decoder = decoders.BPEDecoder("</w>")
    yield "clip", train(clip, trainers.BpeTrainer, vocab_size=250, end_of_word_suffix="</w>")
    llama = bpe(fuse_unk=True, byte_fallback=True)
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                       decoders.Strip(" ", 1, 0)])
    llama.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=480, special_tokens=SPECIAL + [f"<0x{b:02X}>" for b in range(256)], show_progress=False))
    yield "llama", llama
    prefix = bpe(continuing_subword_prefix="##", fuse_unk=True)
    prefix.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    yield "subword-prefix", train(prefix, trainers.BpeTrainer, vocab_size=200, continuing_subword_prefix="##")

    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(),
                                               normalizers.Replace(Regex(" {2,}"), " ")])
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    train(unigram, trainers.UnigramTrainer, vocab_size=150, unk_token="<unk>")
    unigram.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B:1 </s>:1",
                                                           special_tokens=[("</s>", 2)])
    unigram.add_tokens([AddedToken("low", single_word=True), AddedToken("<sep>", rstrip=True, normalized=False)])
    yield "unigram", unigram

    bert = Tokenizer(models.WordPiece(unk_token="<unk>", max_input_chars_per_word=50))
    bert.normalizer = normalizers.BertNormalizer()
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bert.decoder = decoders.WordPiece()
    train(bert, trainers.WordPieceTrainer, vocab_size=250)
    bert.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
    yield "bert", bert
    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    yield "words", train(words, trainers.WordLevelTrainer, vocab_size=100)
    for behavior in ("merged_with_previous", "merged_with_next", "contiguous"):
        split = bpe()
        split.normalizer = normalizers.NFD()
        split.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\d]"), behavior)
        split.decoder = decoders.Fuse()
        yield behavior, train(split, trainers.BpeTrainer, vocab_size=160)


def case(tokenizer, text, pair=None):
    encoding = tokenizer.encode(text, pair)
    starts = [[0], [0]]
    for table, part in zip(starts, (text, pair or "")):
        for c in part:
            table.append(table[-1] + len(c.encode()))
    offsets = [[starts[s or 0][a], starts[s or 0][b]] for s, (a, b) in zip(encoding.sequence_ids, encoding.offsets)]
    row = {"text": text, "ids": encoding.ids, "offsets": offsets, "types": encoding.type_ids,
           "decoded": tokenizer.decode(encoding.ids), "all": tokenizer.decode(encoding.ids, skip_special_tokens=False)}
    return row | ({"pair": pair} if pair is not None else {})


def main():
    path = pathlib.Path(__file__).parent.parent / "unit" / "data" / "tokenizers.jsonl"
    with path.open("w") as out:
        for name, tokenizer in make():
            cases = [case(tokenizer, text) for text in TEXTS] + [case(tokenizer, "Hello low", "new world <s>")]
            row = {"name": name, "json": json.loads(tokenizer.to_str()), "cases": cases}
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
