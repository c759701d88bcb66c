"""What the catalog must say of every published model: one row a model, its tensors by architectures.py or, where a rule asks for a few names only, by those."""
import dataclasses

from families import architectures as a
from families.architectures import conv, linear, merge, norm, under

LDM = "model.diffusion_model."


@dataclasses.dataclass
class Case:
    """A file and its verdict. open: tensors cannot decide it, and a hint is asked for; settled: its metadata answered that; types: of tensors by endings."""
    what: str
    tensors: dict
    type: str
    family: str | None
    variant: str | None = None
    open: bool = False
    settled: bool = False
    metadata: dict | None = None
    types: dict = dataclasses.field(default_factory=dict)
    name: str | None = None


def checkpoint(unet, *parts):
    """A single-file checkpoint: the UNet under its prefix, and other parts."""
    return merge(under(LDM, unet), *parts)


SD1 = a.ldm_unet([1, 1, 1, 0], 768)
SD2 = a.ldm_unet([1, 1, 1, 0], 1024, is_linear=True)
SDXL = a.ldm_unet([0, 2, 10], 2048, multiply=(1, 2, 4), adm=2816, is_linear=True)
CLIP_L, CLIP_G = a.clip_text(768, 12), a.open_clip(1280, 32)
VAE = under("first_stage_model.", a.kl_vae(4))
XL_PARTS = (VAE, under("conditioner.embedders.0.transformer.", CLIP_L), under("conditioner.embedders.1.model.", CLIP_G))
FLUX, HF_FLUX = a.flux(), a.hf_flux()
FLUX_CONTROL = a.flux(inside=128)
WAN_14B = a.wan(5120, 16, blocks=40)
DISTILLED = merge(linear("distilled_guidance_layer.in_proj", 5120, 64), {"distilled_guidance_layer.norms.0.scale": [5120]}, linear("distilled_guidance_layer.layers.0.in_layer", 5120, 5120))
CHROMA = merge({name: shape for name, shape in a.flux(vector=None, guidance=False).items() if "_mod." not in name and "modulation" not in name}, DISTILLED)


def d(what, tensors, family, variant=None, **more):
    """A diffusion model."""
    return Case(what, tensors, "diffusion_model", family, variant, **more)


UNETS = [
    Case("SD 1.5 checkpoint", checkpoint(SD1, VAE, under("cond_stage_model.transformer.", CLIP_L)), "checkpoint", "sd1"),
    d("SD 1 UNet alone", SD1, "sd1"),
    d("SD 1 inpaint", under(LDM, a.ldm_unet([1, 1, 1, 0], 768, inside=9)), "sd1", "inpaint"),
    d("InstructPix2Pix", under(LDM, a.ldm_unet([1, 1, 1, 0], 768, inside=8)), "sd1", "ip2p"),
    Case("SD 2.1 checkpoint", checkpoint(SD2, VAE, under("cond_stage_model.model.", a.open_clip(1024, 23))), "checkpoint", "sd2", open=True),
    d("SD 2 inpaint", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, inside=9, is_linear=True)), "sd2", "inpaint"),
    d("SD 2 depth", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, inside=5, is_linear=True)), "sd2", "depth"),
    d("SD 2.1 unCLIP L", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, adm=1536, is_linear=True)), "sd2", "unclip_l"),
    d("SD 2.1 unCLIP H", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, adm=2048, is_linear=True)), "sd2", "unclip_h"),
    d("Lotus-D", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, adm=4, inside=4, is_linear=True)), "lotus_d"),
    d("x4 upscaler", under(LDM, a.ldm_unet([0, 1, 1, 1], 1024, channels=256, inside=7, multiply=(1, 2, 2, 4), is_linear=True)), "sd_x4_upscaler"),
    Case("SDXL checkpoint", checkpoint(SDXL, *XL_PARTS), "checkpoint", "sdxl"),
    d("SDXL UNet alone", under(LDM, SDXL), "sdxl"),
    d("SDXL inpaint", under(LDM, a.ldm_unet([0, 2, 10], 2048, multiply=(1, 2, 4), adm=2816, inside=9, is_linear=True)), "sdxl", "inpaint"),
    d("SDXL ip2p", under(LDM, a.ldm_unet([0, 2, 10], 2048, multiply=(1, 2, 4), adm=2816, inside=8, is_linear=True)), "sdxl", "ip2p"),
    Case("SDXL v-prediction", checkpoint(SDXL, *XL_PARTS, {"v_pred": [0], "ztsnr": [0]}), "checkpoint", "sdxl", "v_prediction"),
    Case("Playground 2.5", checkpoint(SDXL, *XL_PARTS, {"edm_mean": [4], "edm_std": [4]}), "checkpoint", "sdxl", "playground25"),
    Case("CosXL", checkpoint(SDXL, *XL_PARTS, {"edm_vpred.sigma_max": [], "edm_vpred.sigma_min": []}), "checkpoint", "sdxl", "cosxl"),
    Case("SDXL refiner", checkpoint(a.ldm_unet([0, 4, 4, 0], 1280, channels=384, adm=2560, is_linear=True), VAE, under("conditioner.embedders.0.model.", CLIP_G)), "checkpoint", "sdxl_refiner"),
    d("SSD-1B", under(LDM, a.ldm_unet([0, 2, 4], 2048, multiply=(1, 2, 4), adm=2816, is_linear=True, middle=False)), "ssd_1b"),
    d("Segmind Vega", under(LDM, a.ldm_unet([0, 1, 2], 2048, multiply=(1, 2, 4), adm=2816, is_linear=True, middle=False)), "segmind_vega"),
    d("KOALA 700M", under(LDM, a.ldm_unet([0, 2, 5], 2048, multiply=(1, 2, 4), blocks=1, adm=2816, is_linear=True, middle=False)), "koala", "700m"),
    d("KOALA 1B", under(LDM, a.ldm_unet([0, 2, 6], 2048, multiply=(1, 2, 4), blocks=1, adm=2816, is_linear=True, middle=True)), "koala", "1b"),
    d("SDXS 512", under(LDM, a.ldm_unet([0, 1, 1], 768, multiply=(1, 2, 4), blocks=1, middle=False)), "sdxs", "512"),
    d("SDXS 0.9", under(LDM, a.ldm_unet([1, 1, 1], 1024, multiply=(1, 2, 4), blocks=1, middle=False, is_linear=True)), "sdxs", "09"),
    d("tiny SD 1", under(LDM, {name: shape for name, shape in SD1.items() if not name.startswith("middle_block.")}), "sd1", "tiny"),
    d("SVD", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, inside=8, adm=768, is_linear=True, is_temporal=True)), "svd"),
    d("SV3D u", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, inside=8, adm=256, is_linear=True, is_temporal=True)), "sv3d", "u"),
    d("SV3D p", under(LDM, a.ldm_unet([1, 1, 1, 0], 1024, inside=8, adm=1280, is_linear=True, is_temporal=True)), "sv3d", "p"),
    d("Stable Zero123", merge(under(LDM, a.ldm_unet([1, 1, 1, 0], 768, inside=8)), linear("cc_projection", 768, 772)), "stable_zero123"),
    Case("SD 2.1 turbo", checkpoint(SD2, VAE, {"denoiser.sigmas": [1000]}, under("conditioner.embedders.0.model.", a.open_clip(1024, 23))), "checkpoint", "sd2", "turbo"),
    d("SD 1 of diffusers", a.hf_unet([1, 1, 1, 0], 768), "sd1"),
    d("SD 1 inpaint of diffusers", a.hf_unet([1, 1, 1, 0], 768, inside=9), "sd1", "inpaint"),
    d("SD 2 of diffusers", a.hf_unet([1, 1, 1, 0], 1024, is_linear=True), "sd2", open=True),
    d("unCLIP H of diffusers", a.hf_unet([1, 1, 1, 0], 1024, classes=2048, is_linear=True), "sd2", "unclip_h"),
    d("SDXL of diffusers", a.hf_unet([0, 2, 10], 2048, (320, 640, 1280), adm=2816, is_linear=True), "sdxl"),
    d("SDXL refiner of diffusers", a.hf_unet([0, 4, 4, 0], 1280, (384, 768, 1536, 1536), adm=2560, is_linear=True), "sdxl_refiner"),
    d("SSD-1B of diffusers", a.hf_unet([0, 2, 4], 2048, (320, 640, 1280), adm=2816, is_linear=True, middle=False), "ssd_1b"),
    d("Vega of diffusers", a.hf_unet([0, 1, 2], 2048, (320, 640, 1280), adm=2816, is_linear=True, middle=False), "segmind_vega"),
    d("KOALA 700M of diffusers", a.hf_unet([0, 2, 5], 2048, (320, 640, 1280), adm=2816, blocks=1, is_linear=True, middle=False), "koala", "700m"),
]

TRANSFORMERS = [
    d("SD3 medium", under(LDM, a.mmdit(24, rms=False)), "sd3", "medium"),
    d("SD3.5 medium", under(LDM, a.mmdit(24, position=384, dual=13)), "sd35", "medium"),
    d("SD3.5 large", under(LDM, a.mmdit(38)), "sd35", "large"),
    d("FLUX.1 dev", FLUX, "flux1", "dev", open=True),
    d("FLUX.1 dev under a prefix", under(LDM, FLUX), "flux1", "dev", open=True),
    d("FLUX.1 schnell", a.flux(guidance=False), "flux1", "schnell"),
    d("FLUX.1 Fill", a.flux(inside=384), "flux1", "fill"),
    d("FLUX.1 Canny or Depth", FLUX_CONTROL, "flux1", "control"),
    d("Flex.2", a.flux(inside=196), "flux1", "flex2"),
    d("FLUX.1 dev of diffusers", HF_FLUX, "flux1", "dev", open=True),
    d("FLUX.1 schnell of diffusers", a.hf_flux(guidance=False), "flux1", "schnell"),
    d("FLUX.1 Fill of diffusers", a.hf_flux(inside=384), "flux1", "fill"),
    d("FLUX.1 as Nunchaku packs it", merge({"single_transformer_blocks.0.norm.linear.qweight": [3072, 9216], "single_transformer_blocks.0.norm.linear.wscales": [48, 9216], "x_embedder.weight": [3072, 64]},
                                           linear("time_text_embed.guidance_embedder.linear_1", 3072, 256)), "flux1", "dev", open=True, types={".qweight": "I8"}),
    d("FLUX.2 dev", a.flux2(6144, 8, 48, 15360), "flux2", "dev"),
    d("FLUX.2 klein 4B", a.flux2(3072, 5, 20, 7680), "flux2", "klein_4b", open=True),
    d("FLUX.2 klein 9B", a.flux2(4096, 8, 24, 12288), "flux2", "klein_9b", open=True),
    d("LongCat-Image", a.flux(text=3584, vector=None, guidance=False), "longcat_image"),
    d("Ovis-Image", merge(a.flux(text=2048, vector=None, guidance=False, double=6, single=27), linear("double_blocks.0.img_mlp.gate_proj", 12288, 3072), {"txt_norm.weight": [2048]}), "ovis_image"),
    d("Chroma", CHROMA, "chroma"),
    d("Chroma Radiance", merge(CHROMA, {"nerf_blocks.0.norm.scale": [64], "nerf_final_layer_conv.norm.scale": [64], "nerf_image_embedder.embedder.0.bias": [64]}), "chroma_radiance"),
    d("PixArt Alpha", a.pixart(ar=True), "pixart", "alpha"),
    d("PixArt Sigma", a.pixart(), "pixart", open=True),
    d("PixArt Sigma of diffusers", a.hf_pixart(), "pixart", open=True),
    d("PixArt Alpha of diffusers", a.hf_pixart(ar=True), "pixart", "alpha"),
    d("Sana", merge({"attention_y_norm.weight": [2240]}, linear("blocks.0.attn.proj", 2240, 2240), linear("blocks.0.attn.qkv", 6720, 2240, False), linear("t_block.1", 13440, 2240)), "sana"),
    d("Lumina 2", a.lumina(2304, 2304, 26, 96), "lumina2"),
    d("NewBie", merge(a.lumina(2304, 2304, 26, 96), norm("clip_text_pooled_proj.0", 1024)), "lumina2", "newbie"),
    d("Z-Image", merge(a.lumina(3840, 2560, 30), {"cap_pad_token": [1, 3840]}), "z_image", open=True),
    d("Z-Image omni", merge(a.lumina(3840, 2560, 30), norm("siglip_embedder.0", 1152, False)), "z_image", "omni"),
    d("Zeta-Chroma", merge(a.lumina(3840, 2560, 30), {"dec_net.cond_embed.weight": [64, 3840], "__x0__": [0]}), "z_image", "pixel"),
    d("Qwen-Image", a.qwen_image(), "qwen_image", open=True),
    d("Qwen-Image-Edit 2511", merge(a.qwen_image(), {"__index_timestep_zero__": [0]}), "qwen_image", "edit_2511"),
    d("Qwen-Image layered", merge(a.qwen_image(), {"time_text_embed.addition_t_embedding.weight": [2, 3072]}), "qwen_image", "layered"),
    d("Mage-Flow", a.qwen_image(blocks=24, text=2560, inside=128, hidden=2560, out=128), "mage_flow"),
    d("Lens", {"transformer_blocks.0.attn.norm_added_q.weight": [128], "transformer_blocks.0.img_mlp.w1.weight": [8192, 3072], "txt_norm.weight": [4096], "img_in.weight": [3072, 128]}, "lens"),
    d("Wan 2.1 T2V 1.3B", a.wan(1536, 16), "wan21", "t2v_1_3b"),
    d("Wan 2.1 T2V 14B, or an expert of 2.2", WAN_14B, None, "t2v_14b", open=True),
    d("Wan 2.1 I2V 14B", a.wan(5120, 36, image=True), "wan21", "i2v_14b"),
    d("Wan 2.1 FLF2V", merge(a.wan(5120, 36, image=True), {"img_emb.emb_pos": [1, 514, 1280]}), "wan21", "flf2v_14b"),
    d("Wan 2.2 I2V A14B", a.wan(5120, 36), "wan22", "i2v_a14b", open=True),
    d("Wan 2.2 TI2V 5B", a.wan(3072, 48, out=48), "wan22", "ti2v_5b"),
    d("Wan Fun-Control", a.wan(5120, 48), "wan21", "fun_control_14b"),
    d("Wan Fun camera 2.1", merge(a.wan(5120, 32, image=True), conv("control_adapter.conv", 5120, 24)), "wan21", "fun_camera"),
    d("Wan Fun camera 2.2", merge(a.wan(5120, 36), conv("control_adapter.conv", 5120, 24)), "wan22", "fun_camera"),
    d("VACE 1.3B", merge(a.wan(1536, 16), conv("vace_patch_embedding", 1536, 96, 1, 2, 2), linear("vace_blocks.0.before_proj", 1536, 1536)), "wan21", "vace_1_3b"),
    d("VACE 14B", merge(WAN_14B, conv("vace_patch_embedding", 5120, 96, 1, 2, 2), linear("vace_blocks.0.before_proj", 5120, 5120)), "wan21", "vace_14b"),
    d("Wan S2V", merge(WAN_14B, {"casual_audio_encoder.weights": [1, 25, 1, 1]}), "wan22", "s2v_14b"),
    d("HuMo", merge(WAN_14B, linear("audio_proj.audio_proj_glob_1.layer", 512, 6144)), "wan21", "humo"),
    d("Wan Animate", merge(a.wan(5120, 36, image=True), linear("face_adapter.fuser_blocks.0.linear1_q", 5120, 5120), {"motion_encoder.dec.direction.weight": [512, 20]}), "wan22", "animate_14b"),
    d("SCAIL", merge(a.wan(5120, 20, image=True), conv("patch_embedding_pose", 5120, 20, 1, 2, 2)), "wan21", "scail"),
    d("HunyuanVideo T2V", a.hunyuan_video(), "hunyuan_video", "t2v"),
    d("HunyuanVideo I2V", a.hunyuan_video(inside=33), "hunyuan_video", "i2v"),
    d("SkyReels I2V", a.hunyuan_video(inside=32), "hunyuan_video", "skyreels_i2v"),
    d("HunyuanVideo 1.5", merge(a.hunyuan_video(inside=65, vector=False, hidden=2048, double=54, single=0), norm("vision_in.proj.0", 1152), {"cond_type_embedding.weight": [3, 2048]}, linear("byt5_in.fc1", 2048, 1472)), "hunyuan_video15"),
    d("HunyuanVideo 1.5 SR", merge(a.hunyuan_video(inside=98, vector=False, hidden=2048, double=54, single=0), norm("vision_in.proj.0", 1152)), "hunyuan_video15", "sr"),
    d("HunyuanImage 2.1", merge(a.hunyuan_video(inside=64, vector=False, guidance=False, patch=(1, 1), hidden=3584), linear("byt5_in.fc1", 2048, 1472)), "hunyuan_image21"),
    d("HunyuanImage 2.1 refiner", a.hunyuan_video(inside=128, vector=False, patch=(1, 1, 1), hidden=3328), "hunyuan_image21", "refiner"),
    d("HunyuanDiT 1.1", merge(linear("mlp_t5.0", 4096, 2048), linear("extra_embedder.0", 5632, 3968), linear("blocks.0.attn1.Wqkv", 4224, 1408)), "hunyuan_dit", "v1_1"),
    d("HunyuanDiT 1.2", merge(linear("mlp_t5.0", 4096, 2048), linear("extra_embedder.0", 5632, 1024), linear("blocks.0.attn1.Wqkv", 4224, 1408)), "hunyuan_dit", "v1_2"),
    d("Hunyuan3D 2", merge(linear("latent_in", 1024, 64), linear("cond_in", 1024, 1536)), "hunyuan3d", "2_0"),
    d("LTX-Video 2B", a.ltx(2048, 2048), "ltx_video", "2b"),
    d("LTX-Video 13B", a.ltx(4096, 4096, blocks=48), "ltx_video", "13b"),
    d("LTX-2", a.ltx(4096, 4096, audio=True, blocks=48), "ltx2"),
    d("LTX-2.3", merge(a.ltx(4096, 4096, audio=True, blocks=48), {"transformer_blocks.1.prompt_scale_shift_table": [2, 4096]}), "ltx2", "2_3"),
    d("HiDream-I1", merge(linear("caption_projection.0.linear", 2560, 4096), linear("double_stream_blocks.0.block.attn1.to_q", 2560, 2560)), "hidream_i1"),
    d("HiDream-O1", merge(linear("t_embedder1.mlp.0", 4096, 256), linear("x_embedder.proj1", 4096, 768)), "hidream_o1"),
    d("Stable Cascade C", merge(linear("clf.1", 16, 2048), linear("clip_txt_mapper", 2048, 1280)), "stable_cascade", "stage_c"),
    d("Stable Cascade C lite", merge(linear("clf.1", 16, 1536), linear("clip_txt_mapper", 1536, 1280)), "stable_cascade", "stage_c_lite"),
    d("Stable Cascade B", merge(linear("clip_mapper", 5120, 1280), {"clf.1.weight": [16, 320, 1, 1], "down_blocks.1.0.channelwise.0.weight": [2560, 640]}), "stable_cascade", "stage_b"),
    d("AuraFlow", merge(linear("double_layers.0.attn.w1q", 3072, 3072, False), linear("cond_seq_linear", 3072, 2048, False), {"positional_encoding": [1, 4096, 3072]}), "aura_flow"),
    d("Cosmos 1 7B", merge(linear("blocks.block0.blocks.0.block.attn.to_q.0", 4096, 4096, False), linear("x_embedder.proj.1", 4096, 68, False)), "cosmos1", "7b_t2v"),
    d("Cosmos-Predict2 2B", a.cosmos_predict2(2048), "cosmos_predict2", "2b"),
    d("Cosmos-Predict2 14B", a.cosmos_predict2(5120), "cosmos_predict2", "14b"),
    d("Anima", a.cosmos_predict2(2048, adapter=True), "anima"),
    d("Mochi", linear("t5_yproj", 3072, 4096), "mochi"),
    d("CogVideoX 1.0", merge(linear("blocks.0.norm1.linear", 18432, 512), conv("patch_embed.proj", 3072, 16, 2, 2)), "cogvideox", "1_0"),
    d("CogVideoX 1.5", merge(linear("blocks.0.norm1.linear", 18432, 512), linear("patch_embed.proj", 3072, 128), linear("ofs_embedding_linear_1", 512, 512)), "cogvideox", "1_5"),
    d("OmniGen2", linear("time_caption_embed.timestep_embedder.linear_1", 1024, 256), "omnigen2"),
    d("Boogu", merge(linear("double_stream_layers.0.img_instruct_attn.processor.img_to_q", 2520, 2520), linear("time_caption_embed.timestep_embedder.linear_1", 1024, 256)), "boogu"),
    d("Kandinsky 5 lite video", {"visual_transformer_blocks.0.cross_attention.key_norm.weight": [64], "visual_embeddings.in_layer.bias": [1792]}, "kandinsky5", "lite_video"),
    d("Kandinsky 5 pro", {"visual_transformer_blocks.0.cross_attention.key_norm.weight": [64], "visual_embeddings.in_layer.bias": [4096]}, "kandinsky5", "pro"),
    d("Krea 2", linear("txtfusion.projector", 1, 12, False), "krea2", open=True),
    d("Ideogram 4", {"embed_image_indicator.weight": [2, 4096]}, "ideogram4"),
    d("Ernie-Image", merge(linear("layers.0.mlp.linear_fc2", 4096, 12288), {"layers.0.adaLN_sa_ln.weight": [4096]}), "ernie_image"),
    d("SeedVR2 3B", linear("blocks.31.mlp.all.proj_in_gate", 6912, 2560, False), "seedvr2", "3b"),
    d("SeedVR2 7B", linear("blocks.35.mlp.vid.proj_out", 3072, 12288), "seedvr2", "7b"),
    d("PiD for FLUX", linear("lq_proj.latent_proj.0", 512, 16), "pid", "flux1"),
    d("PixelDiT", merge(linear("core.pixel_embedder.proj", 16, 3)), "pixeldit"),
    d("Stable Audio", {"model.model.transformer.rotary_pos_emb.inv_freq": [16], **{f"model.model.transformer.layers.{i}.pre_norm.gamma": [1536] for i in range(24)}}, "stable_audio"),
    d("ACE-Step", {"genre_embedder.weight": [2560, 768]}, "ace_step"),
    d("ACE-Step 1.5", {"encoder.lyric_encoder.layers.0.input_layernorm.weight": [2048]}, "ace_step15"),
    d("MiniMax H3", {"video_patch_proj.weight": [64, 64], "audio_patch_proj.weight": [64, 64]}, "minimax_h3"),
    d("Trellis 2", linear("img2shape.t_embedder.mlp.0", 1536, 256), "trellis2"),
    d("AuraFlow of diffusers", linear("joint_transformer_blocks.0.attn.add_k_proj", 3072, 3072, False), "aura_flow"),
    d("SD3 of diffusers", merge(conv("pos_embed.proj", 1536, 16, 2, 2), linear("transformer_blocks.0.attn.add_q_proj", 1536, 1536), linear("transformer_blocks.0.attn.add_k_proj", 1536, 1536)), "sd3", "medium"),
    d("SD3.5 large of diffusers", merge(conv("pos_embed.proj", 2432, 16, 2, 2), linear("transformer_blocks.0.attn.add_q_proj", 2432, 2432), norm("transformer_blocks.0.attn.norm_q", 64, False)), "sd35", "large"),
    d("Wan 1.3B of diffusers", merge(linear("condition_embedder.text_embedder.linear_1", 1536, 4096), conv("patch_embedding", 1536, 16, 1, 2, 2)), "wan21", "t2v_1_3b"),
    d("Wan 14B of diffusers", merge(linear("condition_embedder.text_embedder.linear_1", 5120, 4096), conv("patch_embedding", 5120, 16, 1, 2, 2)), None, "t2v_14b", open=True),
    d("Wan I2V 14B of diffusers", merge(linear("condition_embedder.text_embedder.linear_1", 5120, 4096), conv("patch_embedding", 5120, 36, 1, 2, 2), linear("condition_embedder.image_embedder.ff.net.0.proj", 1280, 1280)), "wan21", "i2v_14b"),
    d("Sefi", linear("dual_time_embed.semantic_embedder.linear_1", 1024, 256), "sefi"),
    d("LingBot", conv("patch_embedder", 1024, 16, 1, 2, 2), "lingbot"),
    Case("SAM 3", {"detector.backbone.vision_backbone.trunk.pos_embed": [1, 577, 1024], "tracker.maskmem_tpos_enc": [7, 1, 1, 64]}, "other", "sam3"),
    Case("Depth Anything 3", conv("backbone.embeddings.patch_embeddings.projection", 1024, 3, 14, 14), "other", "depth_anything3"),
    Case("RT-DETR", conv("encoder.pan_blocks.1.cv4.conv", 256, 512, 1, 1), "other", "rt_detr"),
    d("Lens with several text layers", {"transformer_blocks.0.attn.norm_added_q.weight": [128], "transformer_blocks.0.img_mlp.w1.weight": [8192, 3072], "txt_norm.0.weight": [4096]}, "lens", "multi_layer_text"),
    d("FLUX.1 as ComfyUI's fp8", merge(FLUX, {"scaled_fp8": [0]}), "flux1", "dev", open=True, types={".weight": "F8_E4M3", "scaled_fp8": "F8_E4M3"}),
    d("JoyImage", merge(linear("double_blocks.0.attn.img_attn_qkv", 9216, 3072), conv("img_in", 3072, 16, 1, 2, 2)), "joyimage"),
]

VAES = [
    Case("KL VAE of SD 1, 2 or XL", a.kl_vae(4), "vae", None, open=True),
    Case("the same of diffusers", a.kl_vae(4, ldm=False), "vae", None, open=True),
    Case("the same under a prefix", VAE, "vae", None, open=True),
    Case("VAE of SD3 or FLUX.1", a.kl_vae(16, quant=False), "vae", None, open=True),
    Case("FLUX.2 VAE", merge(a.kl_vae(32), {"bn.running_mean": [128], "bn.running_var": [128]}), "vae", "flux2"),
    Case("x4 upscaler VAE", {n: s for n, s in a.kl_vae(4).items() if "encoder.down.2.downsample" not in n and "decoder.up.3.upsample" not in n and "down.3" not in n}, "vae", "sd_x4_upscaler"),
    Case("HunyuanImage 2.1 VAE", conv("decoder.conv_in", 1024, 64), "vae", "hunyuan_image21"),
    Case("HunyuanImage refiner VAE", conv("decoder.conv_in", 1024, 32, 3, 3, 3), "vae", "hunyuan_image21", "refiner"),
    Case("Wan 2.1, Qwen-Image or Anima VAE", a.wan_vae(), "vae", None, open=True),
    Case("Qwen-Image layered VAE", a.wan_vae(channels=4), "vae", "qwen_image", "layered"),
    Case("Wan 2.2 VAE", merge(a.wan_vae(latent=48, channels=12), conv("decoder.upsamples.0.upsamples.0.residual.2", 1024, 1024, 3, 3, 3)), "vae", "wan22"),
    Case("HunyuanVideo VAE", conv("decoder.conv_in.conv", 512, 16, 3, 3, 3), "vae", "hunyuan_video"),
    Case("HunyuanVideo 1.5 VAE", merge(conv("decoder.conv_in.conv", 1024, 32, 3, 3, 3), conv("decoder.mid.attn_1.q.conv", 1024, 1024, 1, 1, 1)), "vae", "hunyuan_video15"),
    Case("CogVideoX VAE", merge(conv("decoder.conv_in.conv", 512, 16, 3, 3, 3), norm("decoder.mid_block.resnets.0.norm1.norm_layer", 512)), "vae", "cogvideox"),
    Case("LTX VAE", conv("decoder.up_blocks.0.res_blocks.0.conv1.conv", 512, 512, 3, 3, 3), "vae", "ltx_video"),
    Case("TAESD", {"taesd_decoder.1.weight": [64, 4, 3, 3]}, "vae", None, "taesd", open=True),
    Case("Mochi VAE", conv("blocks.2.blocks.3.stack.5", 256, 256, 3, 3, 3), "vae", "mochi"),
    Case("Cosmos VAE", {"decoder.unpatcher3d.wavelets": [2]}, "vae", "cosmos1"),
    Case("DC-AE", {"decoder.stages.0.0.main.conv.bias": [1]}, "vae", "sana"),
    Case("SeedVR2 VAE", conv("decoder.up_blocks.2.upsamplers.0.upscale_conv", 1024, 256, 1, 1, 1), "vae", "seedvr2"),
    Case("Cascade A", {"vquantizer.codebook.weight": [8192, 4]}, "vae", "stable_cascade", "stage_a"),
    Case("Cascade previewer", {"blocks.11.num_batches_tracked": []}, "vae", "stable_cascade", "previewer"),
    Case("Cascade effnet", {"backbone.1.0.block.0.1.num_batches_tracked": []}, "vae", "stable_cascade", "effnet"),
    Case("SVD temporal VAE", merge(a.kl_vae(4), {"decoder.mid.block_1.mix_factor": [1]}), "vae", "svd"),
    Case("Oobleck", {"decoder.layers.1.layers.0.beta": [2048]}, "vae", "stable_audio"),
    Case("ACE vocoder", {"vocoder.backbone.channel_layers.0.0.bias": [128]}, "vae", "ace_step"),
    Case("pixel space", {"pixel_space_vae": []}, "vae", "pixel_space"),
]

ENCODERS = [
    Case("CLIP-L", CLIP_L, "text_encoder", "clip_l"),
    Case("CLIP-G of transformers", a.clip_text(1280, 32, projection=True), "text_encoder", "clip_g"),
    Case("CLIP-G of OpenCLIP", CLIP_G, "text_encoder", "clip_g"),
    Case("CLIP-H", a.clip_text(1024, 23), "text_encoder", "clip_h"),
    Case("CLIP-H of OpenCLIP", a.open_clip(1024, 24), "text_encoder", "clip_h"),
    Case("T5-XXL", a.t5(4096, 24, 10240, 32128), "text_encoder", "t5_xxl"),
    Case("T5-XXL 1.0", a.t5(4096, 24, 65536, 32128, 16384, gated=False), "text_encoder", "t5_xxl", "v1_0"),
    Case("T5-XL", a.t5(2048, 24, 5120, 32128), "text_encoder", "t5_xl"),
    Case("ByT5 glyph", a.t5(1472, 12, 3584, 1510, 384), "text_encoder", "byt5"),
    Case("T5 base", a.t5(768, 12, 2048, 32128), "text_encoder", "t5_base"),
    Case("UMT5-XXL", a.t5(4096, 24, 10240, 256384), "text_encoder", "umt5_xxl"),
    Case("Gemma 2 2B", a.language_model(2304, 26, 8, 4, 9216, 256000, 256, extra=("pre_feedforward_layernorm", "post_feedforward_layernorm")), "llm", "gemma2", "2b"),
    Case("Gemma 3 4B", a.language_model(2560, 34, 8, 4, 10240, 262208, 256, qk_norm=True, extra=("pre_feedforward_layernorm", "post_feedforward_layernorm")), "llm", "gemma3", "4b"),
    Case("Gemma 3 12B", a.language_model(3840, 48, 16, 8, 15360, 262208, 256, qk_norm=True, extra=("pre_feedforward_layernorm", "post_feedforward_layernorm")), "llm", "gemma3", "12b"),
    Case("GPT-OSS", merge(a.language_model(2880, 2, 64, 8, 2880, 201088, 64, bias=True), {"model.layers.0.self_attn.sinks": [64]}), "llm", "gpt_oss"),
    Case("Qwen2.5-VL 7B", merge(a.language_model(3584, 28, 28, 4, 18944, 152064, bias=True), {"visual.patch_embed.proj.weight": [1280, 3, 2, 14, 14]}), "llm", "qwen2_5_vl", "7b"),
    Case("Qwen2.5-VL 3B", merge(a.language_model(2048, 36, 16, 2, 11008, 151936, bias=True), {"visual.patch_embed.proj.weight": [1280, 3, 2, 14, 14]}), "llm", "qwen2_5_vl", "3b"),
    Case("Qwen2.5 7B", a.language_model(3584, 28, 28, 4, 18944, 152064, bias=True), "llm", "qwen2", "7b"),
    Case("Qwen3 0.6B", a.language_model(1024, 28, 16, 8, 3072, 151936, qk_norm=True), "llm", "qwen3", "0_6b"),
    Case("Qwen3 4B", a.language_model(2560, 36, 32, 8, 9728, 151936, qk_norm=True), "llm", "qwen3", "4b"),
    Case("Qwen3 8B", a.language_model(4096, 36, 32, 8, 12288, 151936, qk_norm=True), "llm", "qwen3", "8b"),
    Case("Mistral small 24B", a.language_model(5120, 40, 32, 8, 32768, 131072), "llm", "mistral", "small_24b"),
    Case("Mistral small without its last layers", a.language_model(5120, 30, 32, 8, 32768, 131072), "llm", "mistral", "small_24b_pruned"),
    Case("Llama 3 8B", a.language_model(4096, 32, 32, 8, 14336, 128256), "llm", "llama", "8b"),
    Case("CLIP vision L", a.clip_vision(1024, 24, 257), "clip_vision", "clip_vision_l", "l_224"),
    Case("CLIP vision L 336", a.clip_vision(1024, 24, 577), "clip_vision", "clip_vision_l", "l_336"),
    Case("CLIP vision H", a.clip_vision(1280, 32, 257), "clip_vision", "clip_vision_h"),
    Case("CLIP vision bigG", a.clip_vision(1664, 48, 257), "clip_vision", "clip_vision_g"),
    Case("SigLIP 384", a.clip_vision(1152, 27, 729), "clip_vision", "siglip", "so400m_384"),
    Case("DINOv2 giant", {f"encoder.layer.{i}.layer_scale2.lambda1": [1536] for i in range(40)}, "clip_vision", "dinov2", "giant"),
]

CONTROL_UNET = {name: shape for name, shape in SD1.items() if not name.startswith(("output_blocks.", "out."))}
HF_CONTROL_PARTS = merge(conv("controlnet_cond_embedding.conv_in", 16, 3), conv("controlnet_down_blocks.0", 320, 320, 1, 1), conv("controlnet_mid_block", 1280, 1280, 1, 1))


def without_up(unet):
    """The encoder of a diffusers UNet, as a ControlNet has it."""
    return {name: shape for name, shape in unet.items() if not name.startswith(("up_blocks.", "conv_norm_out", "conv_out"))}


def controlnet(what, tensors, family, variant=None, **more):
    """A ControlNet."""
    return Case(what, tensors, "controlnet", family, variant, **more)


ADAPTERS = [
    controlnet("ControlNet SD 1", under("control_model.", merge(CONTROL_UNET, conv("input_hint_block.0", 16, 3), conv("zero_convs.0.0", 320, 320, 1, 1))), "sd1"),
    controlnet("ControlNet SD 1, bare", merge(CONTROL_UNET, conv("input_hint_block.0", 16, 3), conv("zero_convs.0.0", 320, 320, 1, 1)), "sd1"),
    controlnet("ControlNet SD 2", under("control_model.", merge(SD2, conv("input_hint_block.0", 16, 3), conv("zero_convs.0.0", 320, 320, 1, 1))), "sd2"),
    controlnet("ControlNet SDXL", merge(SDXL, conv("input_hint_block.0", 16, 3), conv("zero_convs.0.0", 320, 320, 1, 1)), "sdxl"),
    controlnet("ControlNet SD 1 of diffusers", merge(without_up(a.hf_unet([1, 1, 1, 0], 768)), HF_CONTROL_PARTS), "sd1"),
    controlnet("ControlNet SDXL of diffusers", merge(without_up(a.hf_unet([0, 2, 10], 2048, (320, 640, 1280), adm=2816)), HF_CONTROL_PARTS), "sdxl"),
    controlnet("ControlNet union", merge(without_up(a.hf_unet([0, 2, 10], 2048, (320, 640, 1280), adm=2816)), HF_CONTROL_PARTS, linear("control_add_embedding.linear_1", 1280, 2048), {"task_embedding": [6, 320]}), "sdxl", "union"),
    controlnet("Control-LoRA", {"lora_controlnet": [], "input_blocks.4.1.transformer_blocks.0.attn2.to_k.down": [128, 2048], "input_blocks.4.1.transformer_blocks.0.attn2.to_k.up": [640, 128]}, "sdxl", "control_lora"),
    controlnet("FLUX XLabs", merge(linear("controlnet_blocks.0", 3072, 3072), {"double_blocks.0.img_attn.norm.key_norm.scale": [128]}, linear("pos_embed_input", 3072, 64), conv("input_hint_block.0", 16, 3)), "flux1", "xlabs"),
    controlnet("FLUX InstantX", merge(linear("controlnet_blocks.0", 3072, 3072), linear("controlnet_x_embedder", 3072, 64), {"transformer_blocks.0.attn.norm_added_k.weight": [128]}), "flux1", "instantx"),
    controlnet("FLUX union", merge(linear("controlnet_blocks.0", 3072, 3072), linear("controlnet_x_embedder", 3072, 64), {"controlnet_mode_embedder.weight": [10, 3072], "transformer_blocks.0.attn.norm_added_k.weight": [128]}), "flux1", "union"),
    controlnet("FLUX Mistoline", linear("controlnet_blocks.0.linear", 3072, 3072), "flux1", "mistoline"),
    controlnet("SD3", merge(linear("controlnet_blocks.0", 1536, 1536), conv("pos_embed_input.proj", 1536, 16, 2, 2)), "sd3"),
    controlnet("SD3.5 large", merge(linear("controlnet_blocks.0", 2432, 2432), conv("pos_embed_input.proj", 2432, 16, 2, 2), linear("transformer_blocks.0.adaLN_modulation.1", 14592, 2432)), "sd35", "large"),
    controlnet("HunyuanDiT", linear("after_proj_list.18", 1408, 1408), "hunyuan_dit"),
    controlnet("Qwen InstantX", merge(linear("controlnet_blocks.0", 3072, 3072), linear("controlnet_x_embedder", 3072, 64), linear("transformer_blocks.0.img_mlp.net.0.proj", 12288, 3072)), "qwen_image", "instantx"),
    controlnet("Qwen DiffSynth", {"controlnet_blocks.0.x_rms.weight": [3072]}, "qwen_image", "diffsynth"),
    controlnet("Qwen Fun", merge(linear("control_blocks.0.after_proj", 3072, 3072), linear("control_img_in", 3072, 132)), "qwen_image", "fun"),
    controlnet("Z-Image", merge(linear("control_layers.0.attention.qkv", 11520, 3840), linear("control_all_x_embedder.2-1", 3840, 132)), "z_image"),
    controlnet("LLLite SDXL", {"lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.conditioning1.0.weight": [16, 3, 4, 4]}, "sdxl", "lllite"),
    controlnet("LLLite Anima", {"lllite_dit_blocks_0_self_attn_q_proj.down.0.weight": [16, 2048]}, "anima", "lllite"),
    controlnet("Cascade", conv("backbone.0.0", 24, 3), "stable_cascade"),
    Case("T2I adapter SD 1", merge(conv("conv_in", 320, 192), conv("body.0.block2", 320, 320)), "t2i_adapter", "sd1"),
    Case("T2I adapter SDXL", merge(conv("conv_in", 320, 768), conv("body.0.block2", 320, 320)), "t2i_adapter", "sdxl"),
    Case("T2I adapter of diffusers", merge(conv("adapter.conv_in", 320, 768), conv("adapter.body.0.resnets.0.block1", 320, 320)), "t2i_adapter", "sdxl"),
    Case("T2I adapter light", conv("body.0.in_conv", 160, 192, 1, 1), "t2i_adapter", "sd1", "light"),
    Case("IP-Adapter SD 1", merge(linear("image_proj.proj", 3072, 1024), linear("ip_adapter.1.to_k_ip", 320, 768, False)), "ip_adapter", "sd1"),
    Case("IP-Adapter SDXL", merge(linear("image_proj.proj", 8192, 1280), linear("ip_adapter.1.to_k_ip", 640, 2048, False)), "ip_adapter", "sdxl"),
    Case("IP-Adapter FLUX", merge(linear("double_blocks.0.processor.ip_adapter_double_stream_k_proj", 3072, 4096), linear("ip_adapter_proj_model.proj", 16384, 768)), "ip_adapter", "flux1"),
    Case("FLUX Redux", merge(linear("redux_up", 12288, 1152), linear("redux_down", 4096, 12288)), "ip_adapter", "flux1", "redux"),
    Case("textual inversion SDXL", {"clip_l": [8, 768], "clip_g": [8, 1280]}, "embedding", "sdxl"),
    Case("textual inversion SD 1", {"emb_params": [8, 768]}, "embedding", "sd1"),
    Case("textual inversion SD 2", {"<cat>": [1024]}, "embedding", "sd2"),
    Case("textual inversion of A1111", {"string_to_param.*": [4, 768]}, "embedding", "sd1"),
]

UP = "lora_unet_up_blocks_1_attentions_0_transformer_blocks_0_"
XL_UP = "lora_unet_output_blocks_0_1_transformer_blocks_"


def lora(what, tensors, family, variant=None, **more):
    """A LoRA."""
    return Case(what, tensors, "lora", family, variant, **more)


FLUX_KOHYA = {"lora_unet_double_blocks_0_img_attn_qkv": (9216, 3072), "lora_unet_double_blocks_0_img_mlp_0": (12288, 3072), "lora_unet_single_blocks_0_linear1": (21504, 3072)}
LORAS = [
    lora("kohya SD 1", a.kohya({UP + "attn2_to_k": (1280, 768), UP + "attn1_to_q": (1280, 1280), "lora_te_text_model_encoder_layers_0_mlp_fc1": (3072, 768)}), "sd1"),
    lora("kohya SD 2", a.kohya({UP + "attn2_to_v": (1280, 1024)}), "sd2"),
    lora("kohya SDXL", a.kohya({XL_UP + "0_attn2_to_k": (1280, 2048), "lora_te1_text_model_encoder_layers_0_mlp_fc1": (3072, 768), "lora_te2_text_model_encoder_layers_0_mlp_fc1": (5120, 1280)}), "sdxl"),
    lora("SDXL slider", a.kohya({XL_UP + "3_attn1_to_k": (1280, 1280)}), "sdxl"),
    lora("slider of two blocks", a.kohya({XL_UP + "1_attn1_to_k": (1280, 1280)}), None, open=True),
    lora("PEFT SD 1", a.peft({"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k": (320, 768)}), "sd1"),
    lora("PEFT SDXL with default", a.peft({"base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k": (640, 2048)}, default=True), "sdxl"),
    lora("old diffusers SD 1", {"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight": [4, 768], "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.up.weight": [320, 4]}, "sd1"),
    lora("LoHa SD 1", a.loha({UP + "attn2_to_k": (1280, 768)}), "sd1"),
    lora("LoKr SDXL", a.lokr({XL_UP + "0_attn2_to_k": (1280, 2048)}), "sdxl"),
    lora("DoRA SDXL", merge(a.kohya({XL_UP + "0_attn2_to_k": (1280, 2048)}), {XL_UP + "0_attn2_to_k.dora_scale": [1280, 1]}), "sdxl"),
    lora("LoCon SD 1", merge(a.kohya({UP + "attn2_to_k": (1280, 768)}), {"lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": [8, 320, 1, 1], "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": [320, 8, 1, 1],
         "lora_unet_down_blocks_0_resnets_0_conv1.lora_mid.weight": [8, 8, 3, 3]}), "sd1"),
    lora("IA3 SDXL", {f"lora_unet_output_blocks_0_1_transformer_blocks_{i}_attn2_to_k.weight": [1280] for i in range(3)} | {f"lora_unet_output_blocks_0_1_transformer_blocks_{i}_attn2_to_k.on_input": [] for i in range(3)}, "sdxl"),
    lora("OFT, by names alone", {"lora_unet_double_blocks_0_img_mod_lin.oft_blocks": [8, 384, 384], "lora_unet_double_blocks_0_img_mod_lin.alpha": []}, "flux1"),
    lora("GLoRA", {"lora_unet_joint_blocks_37_x_block_attn_qkv.a1.weight": [8, 2432], "lora_unet_joint_blocks_37_x_block_attn_qkv.a2.weight": [2432, 8],
                   "lora_unet_joint_blocks_37_x_block_attn_qkv.b1.weight": [8, 2432], "lora_unet_joint_blocks_37_x_block_attn_qkv.b2.weight": [2432, 8]}, "sd35", "large"),
    lora("whole differences SD 1", {UP + "attn2_to_k.diff": [1280, 768], UP + "attn2_to_k.diff_b": [1280]}, "sd1"),
    lora("FLUX.1 kohya", a.kohya(FLUX_KOHYA), "flux1"),
    lora("FLUX.1 with CLIP-L", a.kohya({"lora_unet_double_blocks_0_img_attn_qkv": (9216, 3072), "lora_te1_text_model_encoder_layers_0_mlp_fc1": (3072, 768)}), "flux1"),
    lora("FLUX.1 diffusers", a.peft({"transformer.single_transformer_blocks.0.attn.to_q": (3072, 3072), "transformer.transformer_blocks.0.attn.add_q_proj": (3072, 3072)}), "flux1"),
    lora("FLUX.1 XLabs", {"double_blocks.0.processor.qkv_lora1.down.weight": [16, 3072], "double_blocks.0.processor.qkv_lora1.up.weight": [9216, 16]}, "flux1"),
    lora("FLUX.1 Control", merge({"transformer.x_embedder.lora_A.weight": [128, 128], "transformer.x_embedder.lora_B.weight": [3072, 128], "transformer.x_embedder.lora_B.bias": [3072]}), "flux1", "control"),
    lora("FLUX.1 OneTrainer", a.kohya({"lora_transformer_single_transformer_blocks_0_attn_to_q": (3072, 3072)}), "flux1"),
    lora("FLUX.2 dev", a.peft({"transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj": (55296, 6144)}), "flux2", "dev"),
    lora("FLUX.2 klein 9B", a.kohya({"lora_unet_double_blocks_0_img_attn_proj": (4096, 4096)}), "flux2", "klein_9b"),
    lora("FLUX.2 klein 4B", a.kohya({"lora_unet_double_blocks_0_img_attn_proj": (3072, 3072), "lora_unet_double_blocks_0_img_mlp_0": (18432, 3072)}), "flux2", "klein_4b"),
    lora("klein 4B attention, or FLUX.1", a.kohya({"lora_unet_double_blocks_0_img_attn_qkv": (9216, 3072)}), None, open=True),
    lora("Chroma by its metadata", a.kohya({"lora_unet_double_blocks_0_img_attn_qkv": (9216, 3072), "lora_unet_single_blocks_0_linear1": (21504, 3072)}), "chroma", settled=True, metadata={"modelspec.architecture": "chroma/lora"}),
    lora("Chroma by its layers", a.kohya({"lora_unet_distilled_guidance_layer_layers_0_in_layer": (5120, 5120)}), "chroma"),
    lora("Z-Image", a.peft({"diffusion_model.layers.0.attention.to_q": (3840, 3840), "diffusion_model.context_refiner.0.attention.to_q": (3840, 3840)}), "z_image"),
    lora("Z-Image kohya", a.kohya({"lora_unet__layers_0_attention_to_q": (3840, 3840)}), "z_image"),
    lora("Lumina 2", a.kohya({"lora_unet_layers_0_attention_qkv": (6912, 2304)}), "lumina2"),
    lora("Qwen-Image", a.peft({"transformer_blocks.0.attn.add_k_proj": (3072, 3072), "transformer_blocks.0.img_mlp.net.0.proj": (12288, 3072)}), "qwen_image"),
    lora("Qwen-Image, last block", a.peft({"transformer.transformer_blocks.59.attn.to_q": (3072, 3072)}), "qwen_image"),
    lora("Wan 1.3B", a.peft({"diffusion_model.blocks.0.self_attn.q": (1536, 1536)}), "wan21", "1_3b"),
    lora("Wan 5B", a.peft({"diffusion_model.blocks.0.ffn.0": (14336, 3072)}), "wan22", "ti2v_5b"),
    lora("Wan 14B", a.kohya({"lora_unet_blocks_0_cross_attn_q": (5120, 5120)}), None, "14b", open=True),
    lora("Wan 14B of diffusers", a.peft({"transformer.blocks.0.attn1.to_q": (5120, 5120)}), None, "14b", open=True),
    lora("Anima", a.kohya({"lora_unet_blocks_0_cross_attn_q_proj": (2048, 2048), "lora_unet_blocks_0_mlp_layer1": (8192, 2048)}), "anima"),
    lora("Krea 2", a.peft({"diffusion_model.txtfusion.projector": (6144, 6144)}), "krea2"),
    lora("Krea 2 by its gates", a.peft({"diffusion_model.blocks.0.attn.wq": (6144, 6144), "diffusion_model.blocks.0.attn.gate": (6144, 6144)}), "krea2"),
    lora("SD3.5 large", a.peft({"transformer.transformer_blocks.37.norm1_context.linear": (4864, 2432), "transformer.transformer_blocks.0.ff_context.net.0.proj": (9728, 2432)}), "sd35", "large"),
    lora("SD3 kohya", a.kohya({"lora_unet_joint_blocks_0_context_block_attn_qkv": (4608, 1536)}), None, open=True),
    lora("SD3.5 large kohya", a.kohya({"lora_unet_joint_blocks_37_x_block_attn_qkv": (7296, 2432)}), "sd35", "large"),
    lora("HunyuanVideo", a.kohya({"lora_unet_double_blocks_0_img_attn_qkv": (9216, 3072), "lora_unet_single_blocks_39_linear1": (21504, 3072)}), "hunyuan_video"),
    lora("HunyuanVideo by its modulation", a.peft({"single_blocks.0.modulation.linear": (9216, 3072)}), "hunyuan_video"),
    lora("HunyuanVideo 1.5", a.peft({"vision_in.proj.1": (2048, 1152)}), "hunyuan_video15"),
    lora("HiDream", a.peft({"double_stream_blocks.0.block.ff_i.shared_experts.w1": (6912, 2560)}), "hidream_i1"),
    lora("PixArt", a.peft({"caption_projection.linear_1": (1152, 4096), "transformer_blocks.0.attn2.to_k": (1152, 1152)}), "pixart"),
    lora("LTX-2 with audio", a.peft({"diffusion_model.transformer_blocks.0.audio_attn1.to_k": (2048, 2048)}), "ltx2"),
    lora("LTX 2B", a.peft({"transformer_blocks.0.attn1.to_k": (2048, 2048), "transformer_blocks.9.attn2.to_v": (2048, 2048)}), "ltx_video"),
    lora("unknown base", a.kohya({"lora_unet_something_else": (77, 77)}), None, open=True),
    lora("SDXL by its metadata", a.kohya({XL_UP + "1_attn1_to_k": (1280, 1280)}), "sdxl", settled=True, metadata={"ss_base_model_version": "sdxl_base_v1-0"}),
]

UPSCALERS = [Case(what, tensors, "upscaler", family, variant) for what, tensors, family, variant in [
    ("ESRGAN, old names", merge(conv("model.0", 64, 3), conv("model.1.sub.0.RDB1.conv1.0", 32, 64)), "esrgan", None),
    ("ESRGAN x4", merge(conv("conv_first", 64, 3), conv("body.0.rdb1.conv1", 32, 64), conv("conv_body", 64, 64), conv("conv_up1", 64, 64), conv("conv_up2", 64, 64), conv("conv_last", 3, 64)), "esrgan", "x4"),
    ("ESRGAN x2 by unshuffling", merge(conv("conv_first", 64, 12), conv("body.0.rdb1.conv1", 32, 64), conv("conv_up1", 64, 64), conv("conv_up2", 64, 64), conv("conv_last", 3, 64)), "esrgan", "x2"),
    ("BSRGAN", merge(conv("conv_first", 64, 3), conv("RRDB_trunk.0.RDB1.conv1", 32, 64), conv("conv_last", 3, 64)), "esrgan", "bsrgan"),
    ("Compact", merge(conv("body.0", 64, 3), {"body.1.weight": [64]}, conv("body.2", 64, 64), conv("body.34", 48, 64)), "compact", None),
    ("SwinIR", merge(conv("conv_first", 180, 3), norm("layers.0.residual_group.blocks.0.norm1", 180)), "swinir", None),
    ("HAT", merge(norm("layers.0.residual_group.blocks.0.norm1", 180), {"relative_position_index_SA": [256, 256]}, conv("layers.0.residual_group.blocks.0.conv_block.cab.0", 60, 180)), "hat", None),
    ("DAT", {"before_RG.1.weight": [180]}, "dat", None),
    ("SPAN", conv("block_1.c1_r.sk", 48, 48, 1, 1), "span", None),
    ("RealCUGAN", merge(conv("unet1.conv1.conv.0", 32, 3), conv("unet2.conv1.conv.0", 32, 3)), "realcugan", None),
    ("RealPLKSR", conv("feats.1.lk.conv", 16, 16, 17, 17), "realplksr", None),
    ("SCUNet", conv("m_head.0", 64, 3), "scunet", None),
    ("NAFNet", merge(conv("intro", 32, 3), conv("ending", 3, 32), conv("middle_blks.0.conv1", 64, 32)), "nafnet", None),
    ("GFPGAN", merge({"toRGB.0.weight": [3, 512, 1, 1]}, linear("stylegan_decoder.style_mlp.1", 512, 512)), "gfpgan", None),
    ("LaMa", {"model.1.bn_l.weight": [64]}, "lama", None),
    ("ESRGAN in a dict of training", under("params_ema.", merge(conv("conv_first", 64, 3), conv("body.0.rdb1.conv1", 32, 64), conv("conv_up1", 64, 64), conv("conv_up2", 64, 64), conv("conv_last", 3, 64))), "esrgan", "x4"),
]]

NF4_FLUX = merge(FLUX, {"img_in.weight": [98304, 1], "img_in.weight.quant_state.bitsandbytes__nf4": [80], "double_blocks.0.img_attn.proj.weight": [4718592, 1],
                        "double_blocks.0.img_attn.proj.weight.quant_state.bitsandbytes__nf4": [80]})
# Wrong answers that the code of other tools would give.
TRAPS = [
    d("1: a control FLUX.1 has 128 input channels like FLUX.2", FLUX_CONTROL, "flux1", "control"),
    d("2: Lumina 2 has Z-Image's caption embedder", a.lumina(2304, 2304, 2, 96), "lumina2"),
    d("3: PixArt of diffusers, under a prefix, begins as LTX does", under(LDM, a.hf_pixart()), "pixart", open=True),
    d("3: LTX-Video 0.9 has no audio", a.ltx(2048, 2048), "ltx_video", "2b"),
    d("4: Chroma passes for FLUX", CHROMA, "chroma"),
    lora("4: a Chroma LoRA passes for FLUX", a.kohya({"lora_unet_single_blocks_0_linear1": (21504, 3072)}), "chroma", settled=True, metadata={"modelspec.architecture": "chroma/lora"}),
    d("5: Mage-Flow has 128 input channels, too", a.qwen_image(blocks=2, text=2560, inside=128, hidden=2560, out=128), "mage_flow"),
    lora("6: a Wan I2V LoRA with a whole patch embedding", merge(a.peft({"diffusion_model.blocks.0.cross_attn.k_img": (5120, 5120), "diffusion_model.blocks.0.self_attn.q": (5120, 5120)}), conv("diffusion_model.patch_embedding", 5120, 36, 1, 2, 2)), "wan21", "i2v_14b"),
    d("6: a merged model with a LoRA's left-overs", merge(a.wan(1536, 16), a.peft({"blocks.0.self_attn.q": (1536, 1536)})), "wan21", "t2v_1_3b"),
    Case("7: SDXL holds CLIP-L, whose width is SD 1's", checkpoint(SDXL, *XL_PARTS), "checkpoint", "sdxl"),
    lora("9: te1 does not make an SDXL LoRA", a.kohya({"lora_te1_text_model_encoder_layers_0_mlp_fc1": (3072, 768), "lora_unet_double_blocks_0_img_attn_qkv": (9216, 3072)}), "flux1"),
    d("10: NF4 packs the input layer", NF4_FLUX, "flux1", "dev", open=True, types={"img_in.weight": "U8", "img_attn.proj.weight": "U8", "__nf4": "U8"}),
    d("10: NF4 without guidance is schnell", {n: s for n, s in NF4_FLUX.items() if not n.startswith("guidance_in")}, "flux1", "schnell", types={"img_in.weight": "U8", "img_attn.proj.weight": "U8", "__nf4": "U8"}),
    d("packed Z-Image says nothing by its shapes", merge(a.lumina(3840, 2560, 2), {"cap_embedder.1.weight": [4915200, 1]}), None, open=True, types={"cap_embedder.1.weight": "U8"}),
]

HINTS = [
    Case("a name settles a VAE", a.kl_vae(4), "vae", "sdxl", open=True, name="sdxl_vae_fp16_fix"),
    Case("modelspec settles a VAE for good", a.kl_vae(4), "vae", "sd1", settled=True, metadata={"modelspec.architecture": "stable-diffusion-v1/vae"}),
    Case("metadata go before names", a.kl_vae(4), "vae", "sd2", settled=True, metadata={"modelspec.architecture": "stable-diffusion-v2-768-v/vae"}, name="sdxl-vae"),
    d("tensors go before metadata", under(LDM, SD1), "sd1", metadata={"modelspec.architecture": "stable-diffusion-xl-v1-base"}),
    d("Kontext by name", FLUX, "flux1", "kontext", open=True, name="flux1-dev-kontext_fp8_scaled"),
    d("a Wan 2.2 expert by name", WAN_14B, "wan22", "t2v_14b", open=True, name="wan2.2_t2v_high_noise_14B_fp16"),
    d("high noise by name", a.wan(5120, 36), "wan22", "i2v_a14b_high_noise", open=True, name="i2v-A14B-high_fp8"),
    d("a high resolution is no expert", a.wan(5120, 36), "wan22", "i2v_a14b", open=True, name="i2v-A14B-high-res"),
    Case("no rule, no hint", {"some.thing.weight": [3, 3]}, "other", None, open=True),
]

CASES = UNETS + TRANSFORMERS + VAES + ENCODERS + ADAPTERS + LORAS + UPSCALERS + TRAPS + HINTS
