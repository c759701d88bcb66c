"""Texts that are no JSON (RFC 8259), one violation each, by what is wrong. Each must be refused wherever it stands."""


def texts():
    """(name, bytes) of each."""
    yield from {
        "array-just-comma": "[,]", "array-comma-first": "[,1]", "array-comma-after": "[1,]", "array-two-commas": "[1,,2]", "array-comma-number": "[1,,]", "array-unclosed": "[1",
        "array-unclosed-comma": "[1,", "array-unclosed-empty": "[", "array-extra-close": "[1]]", "array-colon": '["":1]', "array-colon-value": '["x": 1]', "array-no-comma": "[3[4]]",
        "array-inner-no-comma": "[1 true]", "array-spaces-no-comma": "[1 2]", "array-star": "[*]", "array-minus": "[-]", "array-number-and-several": "[1 2 3]", "array-closed-by-brace": "[1}",
        "array-newlines-unclosed": '["a",\n4\n,1,', "array-vertical-tab": '["\va"\\f]', "array-form-feed": "[\f1]", "array-invalid-word": "[nul]", "array-true-cut": "[tru]", "array-false-cut": "[fals]",
        "word-upper": "[True]", "word-none": "[None]", "word-nan": "[NaN]", "word-minus-nan": "[-NaN]", "word-infinity": "[Infinity]", "word-minus-infinity": "[-Infinity]",
        "word-undefined": "[undefined]", "word-glued": "[truefalse]", "word-null-digit": "[null1]", "word-bare": "[a]", "word-inf": "[Inf]", "word-yes": "[yes]", "word-double-null": "[nullnull]",
        "object-no-value": '{"a":}', "object-no-colon": '{"a" "b"}', "object-no-key": "{:1}", "object-two-colons": '{"a"::1}', "object-comma-for-colon": '{"a","b"}', "object-trailing-comma": '{"a":1,}',
        "object-two-commas": '{"a":1,,"b":2}', "object-comma-first": '{,"a":1}', "object-unquoted-key": "{a:1}", "object-single-quoted": "{'a':1}", "object-number-key": "{1:1}", "object-null-key": "{null:1}",
        "object-array-key": "{[1]:1}", "object-object-key": "{{}:1}", "object-unclosed": '{"a":1', "object-unclosed-key": '{"a', "object-unclosed-empty": "{", "object-closed-by-bracket": '{"a":1]',
        "object-key-only": '{"a"}', "object-colon-only": "{:}", "object-semicolon": '{"a":1;"b":2}', "object-equals": '{"a"=1}', "object-comment": '{"a":/**/1}', "object-line-comment": '{"a":1//\n}',
        "object-hash-comment": '{"a":1#x\n}', "object-repeated-null": '{"a":null,null}', "object-lone-comma": '{"a":1,"b"}', "object-emoji": "{\U0001f1e8\U0001f1ed}", "object-trailing-text": '{"a":1}#',
        "object-open-string": '{"a":"b}', "object-bad-nesting": '[{"a":[}]]', "object-garbage-at-end": '{"a":1 x}', "object-key-with-space-colon": '{"a" ;1}',
        "string-unclosed": '["', "string-unclosed-text": '["abc', "string-single": "['a']", "string-no-quotes": "[abc]", "string-escape-x": r'["\x00"]', "string-escape-a": r'["\a"]', "string-escape-0": r'["\0"]',
        "string-escape-octal": r'["\012"]', "string-escape-quote": r"""["\'"]""", "string-escape-end": '["\\"]', "string-escape-emoji": '["\\\U0001f300"]', "string-escape-new-line": '["\\\n"]', "string-tab": '["\t"]',
        "string-new-line": '["a\nb"]', "string-return": '["a\rb"]', "string-unit-separator": '["a\x1fb"]', "string-nul": '["a\0b"]', "string-backspace": '["\b"]', "string-uescape-cut": r'["\u00A"]',
        "string-uescape-short": r'["\u12"]', "string-uescape-one": r'["\u1"]', "string-uescape-none": r'["\u"]', "string-uescape-letters": r'["\uqqqq"]', "string-uescape-brace": r'["\u{41}"]', "string-uescape-plus": r'["\u+041"]',
        "string-uescape-space": r'["\u 041"]', "string-uescape-minus": r'["\u-041"]', "string-uescape-upper": r'["\U00000041"]', "string-high-surrogate": r'["\ud800"]', "string-low-surrogate": r'["\udc00"]',
        "string-high-high": r'["\ud800\ud800"]', "string-high-letter": r'["\ud800a"]', "string-high-escape": r'["\ud800\n"]', "string-high-cut": r'["\ud800\u"]', "string-high-one": r'["\ud800\u1"]', "string-high-half": r'["\ud800\u1x"]',
        "string-low-high": r'["\udc00\ud800"]', "string-concatenated": '["a" "b"]', "string-plus": '["a"+"b"]', "string-backslash-last": '["a\\', "string-bare-backslash": "[\\n]", "string-leading-escaped-space": '[\\u0020"a"]',
        "number-plus": "[+1]", "number-double-minus": "[--1]", "number-minus-space": "[- 1]", "number-minus-letter": "[-a]", "number-minus-dot": "[-.5]", "number-minus-zeros": "[-01]", "number-minus-double-zero": "[-00]", "number-zeros": "[012]",
        "number-double-zero": "[00]", "number-leading-dot": "[.5]", "number-trailing-dot": "[1.]", "number-minus-trailing-dot": "[-2.]", "number-dot-e": "[2.e3]", "number-dot-e-plus": "[2.e+3]", "number-dot-e-minus": "[2.e-3]",
        "number-zero-e": "[0e]", "number-zero-e-plus": "[0e+]", "number-zero-upper-e": "[0E]", "number-zero-upper-e-plus": "[0E+]", "number-one-e": "[1.0e]", "number-one-e-minus": "[1.0e-]", "number-one-e-plus": "[1.0e+]",
        "number-e-e": "[1eE2]", "number-e-dot": "[1e1.5]", "number-zero-dot-e": "[0.e1]", "number-zero-dot-3-e": "[0.3e]", "number-zero-dot-3-e-plus": "[0.3e+]", "number-nine-e-plus": "[9.e+]", "number-hex": "[0x42]", "number-hex-1": "[0x1]",
        "number-octal": "[0o17]", "number-binary": "[0b1]", "number-underscore": "[1_000]", "number-space": "[1 000.0]", "number-comma": "[1,5.]", "number-letter": "[1a]", "number-alpha-after-minus": "[-1x]", "number-suffix": "[1f]", "number-garbage": "[1.2a-3]",
        "number-two-dots": "[1.2.3]", "number-then-exponent-word": "[1exp]", "number-expression": "[1+2]", "number-minus-inside": "[1-2]", "number-star-star": "[2**3]", "number-fullwidth": "[\uff11]", "number-arabic": "[\u0661]", "number-just-e": "[e1]",
        "structure-empty": "", "structure-space": " ", "structure-comma": ",", "structure-colon": ":", "structure-close-array": "]", "structure-close-object": "}", "structure-two": "1 2", "structure-two-arrays": "[][]", "structure-two-objects": "{}{}",
        "structure-angle": "<null>", "structure-angle-only": "<.>", "structure-parenthesis": "(1)", "structure-backtick": "`a`", "structure-semicolon": "1;", "structure-double-array": "[[]", "structure-open-object-close-array": "{]", "structure-open-array-close-object": "[}",
        "structure-open-array-string": '["a"', "structure-open-array-object": "[{", "structure-open-object-string": '{"a"', "structure-open-object-comma": "{,", "structure-open-object-array": "{[", "structure-open-object-quote": "{'a'", "structure-open-open": '[{"":[{"":',
        "structure-single-star": "*", "structure-escape": "\\", "structure-end-of-array": '["a"]]', "structure-u2060": "[\u2060]", "structure-nbsp": "[\u00a01]", "structure-line-separator": "[\u20281]", "structure-capital": "TRUE", "structure-lone-quote": '"',
        "structure-comment": "/*a*/1", "structure-comment-after": "1/*a*/", "structure-line-comment": "//a\n1", "structure-json5": "{a:1,}", "structure-yaml": "a: 1", "structure-nul": "\0", "structure-nul-after": "1\0", "structure-unclosed-with-space": "[1 ",
        "structure-100-arrays": "[" * 100, "structure-100-objects": '{"":' * 100,
    }.items()
    yield from {
        "bytes-invalid": b'["\xff"]', "bytes-continuation": b'["\x81"]', "bytes-cut-2": b'["\xc3"]', "bytes-cut-3": b'["\xe2\x82"]', "bytes-cut-4": b'["\xf0\x9f\x98"]', "bytes-overlong-2": b'["\xc0\xaf"]', "bytes-overlong-3": b'["\xe0\x80\xaf"]',
        "bytes-overlong-4": b'["\xf0\x80\x80\xaf"]', "bytes-surrogate": b'["\xed\xa0\x80"]', "bytes-pair": b'["\xed\xa0\x80\xed\xb0\x80"]', "bytes-beyond": b'["\xf4\x90\x80\x80"]', "bytes-five": b'["\xf8\x88\x80\x80\x80"]', "bytes-latin": b'["\xe9"]',
        "bytes-bom": b"\xef\xbb\xbf{}", "bytes-utf16": b"\xff\xfe[\0]\0", "bytes-utf16-be": b"\0[\0]", "bytes-outside": b"[\xff]", "bytes-key": b'{"\xb9":"0"}', "bytes-in-escape": b'["\\\xe5"]', "bytes-in-uescape": b'["\\u\xe5"]', "bytes-in-number": b"[0\xe5]",
        "bytes-in-exponent": b"[1e1\xe5]", "bytes-in-fraction": b"[1.\xe5]", "bytes-after-minus": b"[-\xe5]", "bytes-in-word": b"[tru\xe5]", "bytes-after-value": b"[1\xe5]", "bytes-in-object": b'{"a":1\xe5}', "bytes-delete": b"[\x7f]",
    }.items()


TEXTS = {name: text if isinstance(text, bytes) else text.encode() for name, text in texts()}
