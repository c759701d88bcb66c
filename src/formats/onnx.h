#ifndef HST_FORMATS_ONNX_H
#define HST_FORMATS_ONNX_H
/** @file
 * ONNX: a ModelProto of Protocol Buffers without any magic number, known by how its first fields are written. Tensors are the initializers of its
 * graph, and of graphs inside nodes (If, Loop, Scan), whose names are "#NODE/ATTRIBUTE/NAME": NODE counts the nodes of the graph around from 0,
 * a graph of a list of graphs has its number after the ATTRIBUTE, too, and each level adds its own. An initializer has its bytes in raw_data, in packed
 * float_data or double_data, or in another file (struct hst_external). Numbers that are written as varints, one after the other, are no bytes of a
 * tensor: small ones (scales, zero points) are constants of the graph and left out, which the metadata says; large ones make the file unsupported.
 * Sparse initializers, functions and training info are left out. A file cut between two fields after its opset_import cannot be told from a whole one.
 * Metadata: metadata_props as they are; onnx.ir_version, onnx.producer_name, onnx.producer_version, onnx.domain, onnx.model_version, onnx.graph,
 * onnx.opset.DOMAIN, onnx.constants, onnx.sparse_initializers. */
#include "formats/format.h"

/** The format. */
extern const struct hst_format hst_onnx_format;
#endif
