#ifndef HST_FORMATS_LIMITS_H
#define HST_FORMATS_LIMITS_H
/** @file
 * Limits of the parsers, each with its reason. */

/** Bytes of a safetensors header: the limit of the format's reference implementation. */
#define HST_SAFETENSORS_HEADER_MAX UINT64_C(100000000)
/** Bytes of all that comes before a GGUF's data: the largest vocabularies take some 20 MB. */
#define HST_GGUF_HEADER_MAX UINT64_C(268435456)
/** Bytes of a GGUF string that is kept as metadata; longer ones (chat templates) are skipped. */
#define HST_GGUF_TEXT_MAX 32768u
/** Largest alignment of a GGUF's tensors: real files have 32, and a page is reason enough. */
#define HST_GGUF_ALIGNMENT_MAX 65536u
/** Bytes of a zip archive's directory: 500,000 entries of a hundred bytes. */
#define HST_ZIP_DIRECTORY_MAX UINT64_C(67108864)
/** Bytes of a pickle without its weights: checkpoints with 100,000 tensors have some 20 MB. */
#define HST_PICKLE_MAX UINT64_C(67108864)
/** Values that a pickle makes: 12 a tensor. */
#define HST_PICKLE_VALUES_MAX 4000000u
/** Nesting of dicts in which tensors are looked for. */
#define HST_PICKLE_DEPTH_MAX 8u
/** Nesting of protobuf messages: the limit of protobuf's own readers. */
#define HST_PROTOBUF_DEPTH_MAX 100u
/** Fields of a protobuf file that are looked at: graphs of 100,000 nodes have some 3 million, and this many take a tenth of a second. */
#define HST_PROTOBUF_FIELDS_MAX 10000000u
/** Bytes of a metadata value of an ONNX file that is kept; longer ones are kept as empty. */
#define HST_ONNX_TEXT_MAX 16384u
/** Bytes of the numbers of an ONNX initializer that may be left out as a constant of the graph: scales and zero points of 4,096 channels. */
#define HST_ONNX_CONSTANT_MAX 65536u
/** Bytes of the path of external data, and of one name in it: those of Linux. */
#define HST_ONNX_LOCATION_MAX 4095u
/** As HST_ONNX_LOCATION_MAX, of one name. */
#define HST_ONNX_LOCATION_NAME_MAX 255u
/** Files of external data of one model: exporters that write a file a tensor make some 700 for a UNet, and so many can still be handed over at once. */
#define HST_EXTERNALS_MAX 1000u
/** Tensors of one file: the largest known checkpoints have some 100,000; a million empty ones cost the reference 950 MB. */
#define HST_TENSORS_MAX 500000u
/** Dimensions of a tensor: PyTorch and NumPy allow 64. */
#define HST_RANK_MAX 64u
/** Bytes of a tensor name or metadata key: longer ones are attacks, not names. */
#define HST_NAME_MAX 4096u
/** Nesting of JSON: real headers use 3, config files about 10. */
#define HST_JSON_DEPTH_MAX 64u
/** Bytes of a folder's JSON file (config.json, model_index.json). */
#define HST_CONFIG_MAX UINT64_C(4194304)
/** Bytes of a sidecar: the largest hold a model's page with all its example images, about 1 MB. */
#define HST_SIDECAR_MAX UINT64_C(4194304)
/** Values taken from one sidecar: those of the common tools have about thirty. */
#define HST_SIDECAR_PAIRS_MAX 256u
/** Lines of the head of a model card: a few dozen are usual, evaluation results make some hundred of it. */
#define HST_CARD_LINES_MAX 20000u
/** Bytes of ss_tag_frequency that is counted: large training sets have about 1 MB. */
#define HST_TAG_FREQUENCY_MAX UINT64_C(8388608)
/** Different tags that are counted. */
#define HST_TAGS_MAX 200000u
/** Bytes of a shard index: DeepSeek-V3's has 9 MB. */
#define HST_SHARD_INDEX_MAX UINT64_C(67108864)
/** Shards of a model: the largest known has about 1,500. */
#define HST_SHARDS_MAX 4096u
/** Components of a pipeline. */
#define HST_PARTS_MAX 64u
#endif
