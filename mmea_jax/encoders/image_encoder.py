"""Images to unit vectors, by any vision model that transformers loads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmea_jax.encoders.batches import resumed
from mmea_jax.encoders.cache import Cache, digest
from mmea_jax.encoders.libraries import chosen_device, pillow_image, torch_library, transformers_library
from mmea_jax.encoders.pooling import features_of
from mmea_jax.encoders.sources import commit_of, fingerprint, loaded, resolved


class ImageEncoder:
    """The image tower of a two-tower model, or what another vision model pools of its last layer.

    Args:
      name: a folder or an id of the model hub.
      device: as torch names it; None for the accelerator if there is one.

    Raises:
      InputError: the packages or the model are not there, or it is no encoder of images.
    """

    def __init__(self, name: str, device: str | None = None):
        library, source = transformers_library(), resolved(name)
        self._torch, self._device = torch_library(), chosen_device(device)
        self._image = pillow_image()
        self._processor = loaded(library.AutoImageProcessor.from_pretrained, source, "image processor")
        model = loaded(library.AutoModel.from_pretrained, source, "model", dtype=self._torch.float32)
        self._model = model.to(self._device).eval()
        # Processors that are written with torchvision scale a little differently from those with Pillow.
        backend = str(getattr(self._processor, "backend", ""))
        self._key = f"image\0{fingerprint(source, commit_of(model))}\0{backend}"

    def encode(
        self, paths: Sequence[Path], cache: Cache, batch_size: int = 32
    ) -> tuple[dict[int, np.ndarray], dict[int, str]]:
        """Unit vectors float32[f] by position in ``paths``, and for all other positions what is wrong.

        Equal files are computed once. A file that is missing, or that Pillow cannot read in full, stops
        nothing.
        """
        keys: dict[int, bytes] = {}
        faults: dict[int, str] = {}
        files: dict[bytes, Path] = {}
        for position, path in enumerate(paths):
            try:
                keys[position] = digest(path.read_bytes())
            except OSError as error:
                faults[position] = error.strerror or str(error)
                continue
            files.setdefault(keys[position], path)
        broken: dict[Path, str] = {}
        results = resumed(
            files,
            lambda batch: self._batch(batch, broken),
            cache,
            self._key,
            size=lambda path: path.stat().st_size,
            batch_size=batch_size,
            label="images",
        )
        vectors = {}
        for position, key in keys.items():
            if key in results:
                vectors[position] = np.frombuffer(results[key], np.float32)
            else:
                faults[position] = broken[files[key]]
        return vectors, faults

    def _batch(self, paths: list[Path], broken: dict[Path, str]) -> list[bytes | None]:
        images = {}
        for path in paths:
            try:
                images[path] = self._opened(path)
            # Pillow's readers raise whatever a damaged file drives them to, from OSError to struct.error.
            except Exception as error:
                broken[path] = f"unreadable ({type(error).__name__}: {str(error)[:120]})"
        if not images:
            return [None] * len(paths)
        pixels = self._processor(images=list(images.values()), return_tensors="pt")["pixel_values"]
        with self._torch.inference_mode():
            rows = self._pooled(pixels.to(self._device)).cpu().numpy().astype(np.float32)
        by_path = dict(zip(images, rows, strict=True))
        return [by_path[path].tobytes() if path in by_path else None for path in paths]

    def _opened(self, path: Path) -> Any:
        with self._image.open(path) as image:
            # Transparent parts become white: what lies under them was never meant to be seen.
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                full = image.convert("RGBA")
                white = self._image.new("RGBA", full.size, (255, 255, 255, 255))
                return self._image.alpha_composite(white, full).convert("RGB")
            return image.convert("RGB")

    def _pooled(self, pixels: Any) -> Any:
        if hasattr(self._model, "get_image_features"):
            return features_of(self._model.get_image_features(pixel_values=pixels))
        out = self._model(pixel_values=pixels)
        rows = getattr(out, "pooler_output", None)
        if rows is None:
            # [B, S, f] of patches, or [B, f, h, w] of a convolutional net.
            last = out.last_hidden_state
            rows = last.mean(1) if last.ndim == 3 else last.mean((2, 3))
        return self._torch.nn.functional.normalize(rows.flatten(1).float(), dim=-1)
