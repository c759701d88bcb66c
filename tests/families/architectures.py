"""The tensors of published architectures - names and shapes as their own code makes them - without a byte of their weights."""


def linear(name, out, inside, bias=True):
    """A linear layer."""
    return {f"{name}.weight": [out, inside], **({f"{name}.bias": [out]} if bias else {})}


def conv(name, out, inside, *kernel):
    """A convolution."""
    return {f"{name}.weight": [out, inside, *(kernel or (3, 3))], f"{name}.bias": [out]}


def norm(name, size, bias=True):
    """A norm's scale, and its bias."""
    return {f"{name}.weight": [size], **({f"{name}.bias": [size]} if bias else {})}


def merge(*parts):
    """One dict of all."""
    return {name: shape for part in parts for name, shape in part.items()}


def under(prefix, tensors):
    """The same below a prefix."""
    return {prefix + name: shape for name, shape in tensors.items()}


# ---- UNets ----

def spatial_block(name, width, context):
    """A transformer block of a UNet: self-attention, cross-attention, feed-forward."""
    parts = [norm(f"{name}.norm{i}", width) for i in (1, 2, 3)]
    for attention, inside in (("attn1", width), ("attn2", context)):
        parts += [linear(f"{name}.{attention}.to_q", width, width, False), linear(f"{name}.{attention}.to_k", width, inside, False),
                  linear(f"{name}.{attention}.to_v", width, inside, False), linear(f"{name}.{attention}.to_out.0", width, width)]
    return merge(*parts, linear(f"{name}.ff.net.0.proj", 8 * width, width), linear(f"{name}.ff.net.2", width, 4 * width))


def spatial(name, width, context, depth, is_linear):
    """A spatial transformer of so many blocks."""
    project = linear if is_linear else (lambda at, out, inside: conv(at, out, inside, 1, 1))
    return merge(norm(f"{name}.norm", width), project(f"{name}.proj_in", width, width), project(f"{name}.proj_out", width, width),
                 *(spatial_block(f"{name}.transformer_blocks.{i}", width, context) for i in range(depth)))


def temporal(name, width):
    """What a video UNet adds to a spatial transformer."""
    return merge(under(f"{name}.", spatial_block("time_stack.0", width, 1024)), {f"{name}.time_mixer.mix_factor": [1]}, linear(f"{name}.time_pos_embed.0", 4 * width, width))


def ldm_res(name, out, inside, embedding):
    """A residual block of the original code."""
    return merge(norm(f"{name}.in_layers.0", inside), conv(f"{name}.in_layers.2", out, inside), linear(f"{name}.emb_layers.1", out, embedding),
                 norm(f"{name}.out_layers.0", out), conv(f"{name}.out_layers.3", out, out), conv(f"{name}.skip_connection", out, inside, 1, 1) if out != inside else {})


class LdmUnet:
    """UNetModel of the original code (ldm), as its constructor walks."""

    def __init__(self, depths, context, channels=320, inside=4, out=4, multiply=(1, 2, 4, 4), blocks=2, adm=None, is_linear=False, middle=True, is_temporal=False):
        self.context, self.is_linear, self.is_temporal, self.embedding = context, is_linear, is_temporal, 4 * channels
        self.tensors = merge(linear("time_embed.0", 4 * channels, channels), linear("time_embed.2", 4 * channels, 4 * channels),
                             merge(linear("label_emb.0.0", 4 * channels, adm), linear("label_emb.0.2", 4 * channels, 4 * channels)) if adm else {},
                             conv("input_blocks.0.0", channels, inside))
        widths, now = [channels], channels
        for level, factor in enumerate(multiply):
            for _ in range(blocks):
                now = self.block(f"input_blocks.{len(widths)}", channels * factor, now, depths[level])
                widths.append(now)
            if level + 1 < len(multiply):
                self.tensors |= conv(f"input_blocks.{len(widths)}.0.op", now, now)
                widths.append(now)
        if middle:
            self.tensors |= merge(ldm_res("middle_block.0", now, now, self.embedding), spatial("middle_block.1", now, context, max(depths), is_linear),
                                  ldm_res("middle_block.2", now, now, self.embedding))
        at = 0
        for level in reversed(range(len(multiply))):
            for i in range(blocks + 1):
                now = self.block(f"output_blocks.{at}", channels * multiply[level], now + widths.pop(), depths[level])
                if level > 0 and i == blocks:
                    self.tensors |= conv(f"output_blocks.{at}.{2 if depths[level] else 1}.conv", now, now)
                at += 1
        self.tensors |= merge(norm("out.0", channels), conv("out.2", out, channels))

    def block(self, name, out, inside, depth):
        """A residual block and, where there is one, its transformer. Returns the width."""
        self.tensors |= ldm_res(f"{name}.0", out, inside, self.embedding)
        if self.is_temporal:
            self.tensors |= {f"{name}.0.time_mixer.mix_factor": [1]}
        if depth:
            self.tensors |= spatial(f"{name}.1", out, self.context, depth, self.is_linear)
        if depth and self.is_temporal:
            self.tensors |= temporal(f"{name}.1", out)
        return out


def ldm_unet(*arguments, **options):
    """The tensors of a UNetModel."""
    return LdmUnet(*arguments, **options).tensors


def hf_res(name, out, inside, embedding):
    """A residual block of diffusers."""
    return merge(norm(f"{name}.norm1", inside), conv(f"{name}.conv1", out, inside), linear(f"{name}.time_emb_proj", out, embedding), norm(f"{name}.norm2", out),
                 conv(f"{name}.conv2", out, out), conv(f"{name}.conv_shortcut", out, inside, 1, 1) if out != inside else {})


def hf_unet(depths, context, channels=(320, 640, 1280, 1280), inside=4, blocks=2, adm=None, middle=True, is_linear=False, classes=None):
    """UNet2DConditionModel of diffusers. depths: transformer blocks of each level."""
    embedding = 4 * channels[0]
    parts = [conv("conv_in", channels[0], inside), linear("time_embedding.linear_1", embedding, channels[0]), linear("time_embedding.linear_2", embedding, embedding)]
    if adm:
        parts += [linear("add_embedding.linear_1", embedding, adm), linear("add_embedding.linear_2", embedding, embedding)]
    if classes:
        parts += [linear("class_embedding.linear_1", embedding, classes), linear("class_embedding.linear_2", embedding, embedding)]
    now = channels[0]
    for level, width in enumerate(channels):
        for i in range(blocks):
            parts.append(hf_res(f"down_blocks.{level}.resnets.{i}", width, now, embedding))
            now = width
            if depths[level]:
                parts.append(spatial(f"down_blocks.{level}.attentions.{i}", width, context, depths[level], is_linear))
        if level + 1 < len(channels):
            parts.append(conv(f"down_blocks.{level}.downsamplers.0.conv", width, width))
    if middle:
        parts += [hf_res(f"mid_block.resnets.{i}", now, now, embedding) for i in (0, 1)] + [spatial("mid_block.attentions.0", now, context, max(depths), is_linear)]
    for level, width in enumerate(reversed(channels)):
        for i in range(blocks + 1):
            parts.append(hf_res(f"up_blocks.{level}.resnets.{i}", width, 2 * width, embedding))
            if depths[::-1][level]:
                parts.append(spatial(f"up_blocks.{level}.attentions.{i}", width, context, depths[::-1][level], is_linear))
    return merge(*parts, norm("conv_norm_out", channels[0]), conv("conv_out", 4, channels[0]))


# ---- transformers of images and video ----

def flux(inside=64, text=4096, vector=768, hidden=3072, double=19, single=38, guidance=True, scale="scale", mlp=4):
    """FLUX.1 as Black Forest Labs name it."""
    def head(name, size):
        return merge(linear(f"{name}.in_layer", hidden, size), linear(f"{name}.out_layer", hidden, hidden))
    parts = [linear("img_in", hidden, inside), linear("txt_in", hidden, text), head("time_in", 256), head("vector_in", vector) if vector else {},
             head("guidance_in", 256) if guidance else {}]
    for i in range(double):
        for side in ("img", "txt"):
            at = f"double_blocks.{i}.{side}"
            parts += [linear(f"{at}_mod.lin", 6 * hidden, hidden), linear(f"{at}_attn.qkv", 3 * hidden, hidden), linear(f"{at}_attn.proj", hidden, hidden),
                      {f"{at}_attn.norm.query_norm.{scale}": [128], f"{at}_attn.norm.key_norm.{scale}": [128]},
                      linear(f"{at}_mlp.0", mlp * hidden, hidden), linear(f"{at}_mlp.2", hidden, mlp * hidden)]
    for i in range(single):
        at = f"single_blocks.{i}"
        parts += [linear(f"{at}.linear1", (3 + mlp) * hidden, hidden), linear(f"{at}.linear2", hidden, (1 + mlp) * hidden), linear(f"{at}.modulation.lin", 3 * hidden, hidden),
                  {f"{at}.norm.query_norm.{scale}": [128], f"{at}.norm.key_norm.{scale}": [128]}]
    return merge(*parts, linear("final_layer.linear", 64, hidden), linear("final_layer.adaLN_modulation.1", 2 * hidden, hidden))


def flux2(hidden, double, single, text):
    """FLUX.2: modulations are shared, biases are gone."""
    parts = [linear("img_in", hidden, 128, False), linear("txt_in", hidden, text, False), linear("time_in.in_layer", hidden, 256, False),
             linear("double_stream_modulation_img.lin", 6 * hidden, hidden, False), linear("double_stream_modulation_txt.lin", 6 * hidden, hidden, False),
             linear("single_stream_modulation.lin", 3 * hidden, hidden, False)]
    for i in range(double):
        for side in ("img", "txt"):
            at = f"double_blocks.{i}.{side}"
            parts += [linear(f"{at}_attn.qkv", 3 * hidden, hidden, False), linear(f"{at}_attn.proj", hidden, hidden, False),
                      {f"{at}_attn.norm.query_norm.scale": [128], f"{at}_attn.norm.key_norm.scale": [128]},
                      linear(f"{at}_mlp.0", 6 * hidden, hidden, False), linear(f"{at}_mlp.2", hidden, 3 * hidden, False)]
    for i in range(single):
        parts += [linear(f"single_blocks.{i}.linear1", 9 * hidden, hidden, False), linear(f"single_blocks.{i}.linear2", hidden, 4 * hidden, False)]
    return merge(*parts, linear("final_layer.linear", 128, hidden, False))


def hf_flux(inside=64, text=4096, hidden=3072, double=19, single=38, guidance=True, pooled=768):
    """FluxTransformer2DModel of diffusers."""
    parts = [linear("x_embedder", hidden, inside), linear("context_embedder", hidden, text), linear("time_text_embed.timestep_embedder.linear_1", hidden, 256)]
    if pooled:
        parts.append(linear("time_text_embed.text_embedder.linear_1", hidden, pooled))
    if guidance:
        parts.append(linear("time_text_embed.guidance_embedder.linear_1", hidden, 256))
    for i in range(double):
        at = f"transformer_blocks.{i}"
        parts += [linear(f"{at}.attn.{name}", hidden, hidden) for name in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out")]
        parts += [{f"{at}.attn.{name}.weight": [128] for name in ("norm_q", "norm_k", "norm_added_q", "norm_added_k")}, linear(f"{at}.norm1.linear", 6 * hidden, hidden),
                  linear(f"{at}.norm1_context.linear", 6 * hidden, hidden), linear(f"{at}.ff.net.0.proj", 4 * hidden, hidden), linear(f"{at}.ff_context.net.0.proj", 4 * hidden, hidden)]
    for i in range(single):
        at = f"single_transformer_blocks.{i}"
        parts += [linear(f"{at}.attn.{name}", hidden, hidden) for name in ("to_q", "to_k", "to_v")]
        parts += [{f"{at}.attn.norm_q.weight": [128], f"{at}.attn.norm_k.weight": [128]}, linear(f"{at}.norm.linear", 3 * hidden, hidden),
                  linear(f"{at}.proj_mlp", 4 * hidden, hidden), linear(f"{at}.proj_out", hidden, 5 * hidden)]
    return merge(*parts, linear("norm_out.linear", 2 * hidden, hidden), linear("proj_out", 64, hidden))


def mmdit(depth, rms=True, position=192, dual=0):
    """SD3 and 3.5: MMDiT, with a second attention in the first `dual` blocks of 3.5 medium."""
    hidden = 64 * depth
    parts = [conv("x_embedder.proj", hidden, 16, 2, 2), {"pos_embed": [1, position * position, hidden]}, linear("context_embedder", hidden, 4096),
             linear("t_embedder.mlp.0", hidden, 256), linear("y_embedder.mlp.0", hidden, 2048)]
    for i in range(depth):
        for side in ("context_block", "x_block"):
            at = f"joint_blocks.{i}.{side}"
            parts += [linear(f"{at}.attn.qkv", 3 * hidden, hidden), linear(f"{at}.adaLN_modulation.1", 6 * hidden, hidden)]
            parts += [linear(f"{at}.attn.proj", hidden, hidden), linear(f"{at}.mlp.fc1", 4 * hidden, hidden)] if i + 1 < depth or side == "x_block" else []
            parts += [{f"{at}.attn.ln_q.weight": [64], f"{at}.attn.ln_k.weight": [64]}] if rms else []
        if i < dual:
            parts.append(linear(f"joint_blocks.{i}.x_block.attn2.qkv", 3 * hidden, hidden))
    return merge(*parts, linear("final_layer.linear", 64, hidden))


def wan(width, inside, out=16, blocks=30, image=False):
    """Wan 2.x as its authors name it."""
    parts = [conv("patch_embedding", width, inside, 1, 2, 2), linear("text_embedding.0", width, 4096), linear("text_embedding.2", width, width), linear("time_embedding.0", width, 256),
             linear("time_projection.1", 6 * width, width), {"head.modulation": [1, 2, width]}, linear("head.head", 4 * out, width)]
    if image:
        parts += [norm("img_emb.proj.0", 1280), linear("img_emb.proj.1", 1280, 1280), linear("img_emb.proj.3", width, 1280)]
    for i in range(blocks):
        at = f"blocks.{i}"
        names = [f"{attention}.{name}" for attention in ("self_attn", "cross_attn") for name in "qkvo"] + (["cross_attn.k_img", "cross_attn.v_img"] if image else [])
        parts += [linear(f"{at}.{name}", width, width) for name in names]
        parts += [{f"{at}.modulation": [1, 6, width]}, linear(f"{at}.ffn.0", 4 * width, width), linear(f"{at}.ffn.2", width, 4 * width), norm(f"{at}.norm3", width),
                  norm(f"{at}.self_attn.norm_q", width, False)]
    return merge(*parts)


def lumina(width, text, layers, heads=128):
    """Lumina 2 and Z-Image, whose names are the same."""
    def block(at, modulated):
        return merge(linear(f"{at}.attention.qkv", 3 * width, width, False), linear(f"{at}.attention.out", width, width, False),
                     {f"{at}.attention.q_norm.weight": [heads], f"{at}.attention.k_norm.weight": [heads]}, linear(f"{at}.feed_forward.w1", 4 * width, width, False),
                     norm(f"{at}.attention_norm1", width, False), norm(f"{at}.ffn_norm1", width, False), linear(f"{at}.adaLN_modulation.1", 4 * width, 1024) if modulated else {})
    return merge(linear("x_embedder", width, 64), norm("cap_embedder.0", text, False), linear("cap_embedder.1", width, text), linear("t_embedder.mlp.0", 1024, 256),
                 *(block(f"noise_refiner.{i}", True) for i in (0, 1)), *(block(f"context_refiner.{i}", False) for i in (0, 1)),
                 *(block(f"layers.{i}", True) for i in range(layers)), linear("final_layer.linear", 64, width))


def qwen_image(blocks=60, text=3584, inside=64, hidden=3072, out=64):
    """QwenImageTransformer2DModel."""
    parts = [linear("img_in", hidden, inside), norm("txt_norm", text, False), linear("txt_in", hidden, text), linear("time_text_embed.timestep_embedder.linear_1", hidden, 256)]
    for i in range(blocks):
        at = f"transformer_blocks.{i}"
        parts += [linear(f"{at}.attn.{name}", hidden, hidden) for name in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out")]
        parts += [{f"{at}.attn.{name}.weight": [128] for name in ("norm_q", "norm_k", "norm_added_q", "norm_added_k")}]
        for side in ("img", "txt"):
            parts += [linear(f"{at}.{side}_mod.1", 6 * hidden, hidden), linear(f"{at}.{side}_mlp.net.0.proj", 4 * hidden, hidden), linear(f"{at}.{side}_mlp.net.2", hidden, 4 * hidden)]
    return merge(*parts, linear("norm_out.linear", 2 * hidden, hidden), linear("proj_out", out, hidden))


def hunyuan_video(inside=16, vector=True, guidance=True, patch=(1, 2, 2), double=20, single=40, hidden=3072):
    """HunyuanVideo and its kin."""
    parts = [conv("img_in.proj", hidden, inside, *patch), linear("txt_in.input_embedder", hidden, 4096), linear("time_in.in_layer", hidden, 256),
             norm("txt_in.individual_token_refiner.blocks.0.norm1", hidden), linear("txt_in.individual_token_refiner.blocks.0.self_attn.qkv", 3 * hidden, hidden)]
    parts += [linear("vector_in.in_layer", hidden, 768)] if vector else []
    parts += [linear("guidance_in.in_layer", hidden, 256)] if guidance else []
    for i in range(double):
        for side in ("img", "txt"):
            at = f"double_blocks.{i}.{side}"
            parts += [linear(f"{at}_attn.qkv", 3 * hidden, hidden), linear(f"{at}_attn.proj", hidden, hidden), {f"{at}_attn.norm.key_norm.weight": [128]}, linear(f"{at}_mod.lin", 6 * hidden, hidden)]
    for i in range(single):
        parts += [linear(f"single_blocks.{i}.linear1", 7 * hidden, hidden), linear(f"single_blocks.{i}.linear2", hidden, 5 * hidden)]
    return merge(*parts, linear("final_layer.linear", 64, hidden))


def ltx(width, context, audio=False, blocks=28):
    """LTX-Video; LTX-2 with audio."""
    parts = [linear("patchify_proj", width, 128), linear("adaln_single.emb.timestep_embedder.linear_1", width, 256), linear("adaln_single.linear", 6 * width, width),
             linear("caption_projection.linear_1", width, 4096), {"scale_shift_table": [2, width]}]
    parts += [linear("audio_adaln_single.linear", 6 * 2048, 2048), linear("audio_patchify_proj", 2048, 128)] if audio else []
    for i in range(blocks):
        at = f"transformer_blocks.{i}"
        parts += [linear(f"{at}.{attention}.{name}", width, context if attention == "attn2" and name != "to_q" else width) for attention in ("attn1", "attn2") for name in ("to_q", "to_k", "to_v", "to_out.0")]
        parts += [{f"{at}.scale_shift_table": [6, width]}, linear(f"{at}.ff.net.0.proj", 4 * width, width)]
        parts += [{f"{at}.audio_to_video_attn.k_norm.weight": [2048]}] if audio else []
    return merge(*parts, linear("proj_out", 128, width))


def pixart(ar=False, width=1152):
    """PixArt as its authors name it."""
    parts = [conv("x_embedder.proj", width, 4, 2, 2), linear("t_block.1", 6 * width, width), linear("t_embedder.mlp.0", width, 256), linear("y_embedder.y_proj.fc1", width, 4096)]
    parts += [linear("ar_embedder.mlp.0", width // 3, 256), linear("csize_embedder.mlp.0", width // 3, 256)] if ar else []
    for i in range(28):
        parts += [linear(f"blocks.{i}.attn.qkv", 3 * width, width), linear(f"blocks.{i}.cross_attn.q_linear", width, width), linear(f"blocks.{i}.mlp.fc1", 4 * width, width)]
    return merge(*parts, linear("final_layer.linear", 32, width))


def hf_pixart(width=1152, ar=False):
    """PixArtTransformer2DModel of diffusers, whose names begin like those of LTX-Video."""
    parts = [conv("pos_embed.proj", width, 4, 2, 2), linear("adaln_single.emb.timestep_embedder.linear_1", width, 256), linear("caption_projection.linear_1", width, 4096)]
    parts += [linear("adaln_single.emb.resolution_embedder.linear_1", width // 3, 256)] if ar else []
    parts += [linear(f"transformer_blocks.{i}.{attention}.to_k", width, width) for i in range(28) for attention in ("attn1", "attn2")]
    return merge(*parts, linear("proj_out", 32, width))


def cosmos_predict2(width, inside=16, adapter=False):
    """Cosmos-Predict2; Anima with the adapter to its language model."""
    parts = [linear("x_embedder.proj.1", width, 4 * (inside + 1), False), linear("t_embedder.1.linear_1", width, width, False)]
    for i in range(28):
        at = f"blocks.{i}"
        parts += [linear(f"{at}.{attention}.{name}", width, width, False) for attention in ("self_attn", "cross_attn") for name in ("q_proj", "k_proj", "v_proj", "output_proj")]
        parts += [linear(f"{at}.mlp.layer1", 4 * width, width, False), linear(f"{at}.mlp.layer2", width, 4 * width, False), linear(f"{at}.adaln_modulation_mlp.1", 256, width, False)]
    parts += [linear(f"llm_adapter.blocks.0.cross_attn.{name}", 1024, 1024, False) for name in ("q_proj", "k_proj")] if adapter else []
    return merge(*parts, linear("final_layer.linear", 64, width, False))


# ---- VAEs ----

def kl_vae(latent, quant=True, ldm=True):
    """AutoencoderKL, of the original code or of diffusers."""
    parts = [conv("encoder.conv_in", 128, 3), conv("encoder.conv_out", 2 * latent, 512), conv("decoder.conv_in", 512, latent), conv("decoder.conv_out", 3, 128)]
    parts += [conv("quant_conv", 2 * latent, 2 * latent, 1, 1), conv("post_quant_conv", latent, latent, 1, 1)] if quant else []
    for i in range(4):
        parts += [conv(f"encoder.down.{i}.block.0.conv1" if ldm else f"encoder.down_blocks.{i}.resnets.0.conv1", 128, 128),
                  conv(f"decoder.up.{i}.block.0.conv1" if ldm else f"decoder.up_blocks.{i}.resnets.0.conv1", 128, 128)]
    if ldm:
        parts += [conv(f"encoder.down.{i}.downsample.conv", 128, 128) for i in range(3)] + [conv(f"decoder.up.{i}.upsample.conv", 128, 128) for i in (1, 2, 3)]
    return merge(*parts, conv("decoder.mid.block_1.conv1" if ldm else "decoder.mid_block.resnets.0.conv1", 512, 512))


def wan_vae(latent=16, channels=3):
    """The causal video VAE of Wan 2.1, also used for images."""
    return merge(conv("encoder.conv1", 96, channels, 3, 3, 3), conv("decoder.conv1", 384, latent, 3, 3, 3), {"decoder.middle.0.residual.0.gamma": [384, 1, 1, 1]},
                 conv("decoder.middle.0.residual.2", 384, 384, 3, 3, 3), conv("conv1", 2 * latent, 2 * latent, 1, 1, 1), conv("conv2", latent, latent, 1, 1, 1),
                 conv("decoder.upsamples.0.residual.2", 384, 384, 3, 3, 3))


# ---- text and vision encoders ----

def clip_text(width, layers, projection=False):
    """CLIPTextModel of transformers."""
    parts = [{"text_model.embeddings.token_embedding.weight": [49408, width], "text_model.embeddings.position_embedding.weight": [77, width]}]
    for i in range(layers):
        at = f"text_model.encoder.layers.{i}"
        parts += [linear(f"{at}.self_attn.{name}", width, width) for name in ("q_proj", "k_proj", "v_proj", "out_proj")]
        parts += [norm(f"{at}.layer_norm1", width), norm(f"{at}.layer_norm2", width), linear(f"{at}.mlp.fc1", 4 * width, width), linear(f"{at}.mlp.fc2", width, 4 * width)]
    return merge(*parts, norm("text_model.final_layer_norm", width), {"text_projection.weight": [width, width]} if projection else {})


def open_clip(width, layers):
    """The text tower of OpenCLIP."""
    parts = [{"token_embedding.weight": [49408, width], "positional_embedding": [77, width], "text_projection": [width, width], "logit_scale": []}, norm("ln_final", width)]
    for i in range(layers):
        at = f"transformer.resblocks.{i}"
        parts += [{f"{at}.attn.in_proj_weight": [3 * width, width], f"{at}.attn.in_proj_bias": [3 * width]}, linear(f"{at}.attn.out_proj", width, width), norm(f"{at}.ln_1", width),
                  norm(f"{at}.ln_2", width), linear(f"{at}.mlp.c_fc", 4 * width, width), linear(f"{at}.mlp.c_proj", width, 4 * width)]
    return merge(*parts)


def clip_vision(width, layers, positions, patch=14):
    """CLIPVisionModel of transformers."""
    parts = [{"vision_model.embeddings.class_embedding": [width], "vision_model.embeddings.patch_embedding.weight": [width, 3, patch, patch],
              "vision_model.embeddings.position_embedding.weight": [positions, width]}]
    for i in range(layers):
        at = f"vision_model.encoder.layers.{i}"
        parts += [linear(f"{at}.self_attn.{name}", width, width) for name in ("q_proj", "k_proj", "v_proj", "out_proj")]
        parts += [norm(f"{at}.layer_norm1", width), norm(f"{at}.layer_norm2", width), linear(f"{at}.mlp.fc1", 4 * width, width)]
    return merge(*parts, {"visual_projection.weight": [768, width]})


def t5(width, layers, feed, vocabulary, inner=None, gated=True):
    """T5EncoderModel of transformers."""
    inner = inner or width
    parts = [{"shared.weight": [vocabulary, width], "encoder.final_layer_norm.weight": [width]}]
    for i in range(layers):
        at = f"encoder.block.{i}.layer"
        parts += [linear(f"{at}.0.SelfAttention.{name}", inner, width, False) for name in "qkv"] + [linear(f"{at}.0.SelfAttention.o", width, inner, False)]
        parts += [linear(f"{at}.1.DenseReluDense.{name}", feed, width, False) for name in (("wi_0", "wi_1") if gated else ("wi",))] + [linear(f"{at}.1.DenseReluDense.wo", width, feed, False)]
    return merge(*parts)


def language_model(width, layers, heads, key_heads, feed, vocabulary, head=128, bias=False, qk_norm=False, extra=()):
    """A decoder of transformers (Llama and its many kin)."""
    parts = [{"model.embed_tokens.weight": [vocabulary, width], "model.norm.weight": [width]}]
    for i in range(layers):
        at = f"model.layers.{i}"
        parts += [linear(f"{at}.self_attn.q_proj", heads * head, width, bias), linear(f"{at}.self_attn.k_proj", key_heads * head, width, bias),
                  linear(f"{at}.self_attn.v_proj", key_heads * head, width, bias), linear(f"{at}.self_attn.o_proj", width, heads * head, False)]
        parts += [linear(f"{at}.mlp.{name}", feed, width, False) for name in ("gate_proj", "up_proj")] + [linear(f"{at}.mlp.down_proj", width, feed, False)]
        parts += [norm(f"{at}.{name}", width, False) for name in ("input_layernorm", "post_attention_layernorm", *extra)]
        parts += [{f"{at}.self_attn.q_norm.weight": [head], f"{at}.self_attn.k_norm.weight": [head]}] if qk_norm else []
    return merge(*parts)


# ---- LoRA ----

def kohya(layers, rank=16):
    """{layer: (out, in)} as kohya's scripts write it."""
    return merge(*({f"{name}.lora_down.weight": [rank, inside], f"{name}.lora_up.weight": [out, rank], f"{name}.alpha": []} for name, (out, inside) in layers.items()))


def peft(layers, rank=16, default=False):
    """{layer: (out, in)} as PEFT and diffusers write it."""
    middle = ".default" if default else ""
    return merge(*({f"{name}.lora_A{middle}.weight": [rank, inside], f"{name}.lora_B{middle}.weight": [out, rank]} for name, (out, inside) in layers.items()))


def loha(layers, rank=4):
    """{layer: (out, in)} as LyCORIS writes LoHa."""
    return merge(*({f"{name}.hada_w{i}_a": [out, rank], f"{name}.hada_w{i}_b": [rank, inside]} for name, (out, inside) in layers.items() for i in (1, 2)))


def lokr(layers, factor=8):
    """{layer: (out, in)} as LyCORIS writes LoKr: a whole first factor, a second one in two halves."""
    return merge(*({f"{name}.lokr_w1": [factor, factor], f"{name}.lokr_w2_a": [out // factor, 4], f"{name}.lokr_w2_b": [4, inside // factor]} for name, (out, inside) in layers.items()))
