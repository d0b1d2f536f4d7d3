"""Public data sets: where each file is, what its content must be, and which sets lie behind a form."""

import dataclasses
from collections.abc import Mapping

_GCN_ALIGN = (
    "https://raw.githubusercontent.com/1049451037/GCN-Align/2928e0a77b71dc470f778b7493efd738f5a2988b/data"
)
_NATIVE = "https://raw.githubusercontent.com/zjukg/NATIVE/c5c864ec4749cbe70f654faa93361822c64bb353/benchmarks"


@dataclasses.dataclass(frozen=True)
class Published:
    """A data set that can be fetched.

    Attributes:
      base: address of the folder that its files are in.
      files: name here to (name there, SHA-256 of the content).
      lacks: what the published papers use besides, and no address gives.
    """

    base: str
    files: Mapping[str, tuple[str, str]]
    lacks: str = ""


_NO_ATTRIBUTES = (
    "attributes (training_attrs_1/2) and images: the authors of MCLEA, MEAformer and UMAEA give them behind "
    "the links of their repositories"
)
_NO_FEATURES = (
    "image and text features: the authors give them behind the links of the repository zjukg/AdaMF-MAT"
)

DATASETS: dict[str, Published] = {
    "DBP15K/zh_en": Published(
        f"{_GCN_ALIGN}/zh_en",
        {
            "ent_ids_1": (
                "ent_ids_1",
                "6d230db7922b58f6fe31fb75b478d5edcbb3cc7d3f76763b5af8232ff1940082",
            ),
            "ent_ids_2": (
                "ent_ids_2",
                "68d7cccc5334881d386094df3e4f9af479eedf3161ed00ec4d06e0685d510f69",
            ),
            "triples_1": (
                "triples_1",
                "5bd1df6af7b51a0bc1111809c980364455e42f2cc27946cd664861f0d95aafcb",
            ),
            "triples_2": (
                "triples_2",
                "bbab07e5d97247221d742a7ab4e14c20ffdb3125667b2bac2b317a714a07bc48",
            ),
            "ill_ent_ids": (
                "ref_ent_ids",
                "f6fc5f4b4c162eb21119697561b38686c48935222c11d07f08edc6efc5414507",
            ),
        },
        _NO_ATTRIBUTES,
    ),
    "DBP15K/ja_en": Published(
        f"{_GCN_ALIGN}/ja_en",
        {
            "ent_ids_1": (
                "ent_ids_1",
                "c0163c3e4d1a1173fde4941c6c3752e659ff54c50149fbe8776e10c78077f1ad",
            ),
            "ent_ids_2": (
                "ent_ids_2",
                "b6e8aa468861daa932f5bbb50c4743273418331839543de8889b13cc267a84a2",
            ),
            "triples_1": (
                "triples_1",
                "5c9396f4bc18f62f395bdea897228285be85f3590d89c336739877d7fc0eeae5",
            ),
            "triples_2": (
                "triples_2",
                "aeb66ed5e3dd1588f4d7e2cae50bc930794dbc29063f71365242c924ae27c2d6",
            ),
            "ill_ent_ids": (
                "ref_ent_ids",
                "60edbd1d05d65e80cc81957eb6efa06fa53901a2a3042cfb0a115abccb2dff91",
            ),
        },
        _NO_ATTRIBUTES,
    ),
    "MKGC/DB15K": Published(
        f"{_NATIVE}/DB15K",
        {
            "entity2id.txt": (
                "entity2id.txt",
                "8f8d070f1bb24d07ed3050e4e4e780cb7f2245d0b14db3346e8db4fa55981728",
            ),
            "relation2id.txt": (
                "relation2id.txt",
                "25e5a975ee079dbd5b8d22ffe23575a9e3135d263e0a3763224777bf526c1a74",
            ),
            "train2id.txt": (
                "train2id.txt",
                "d41f9b9ab5c0e6eed393e0f93febb4258dc02e5e4a4e2a99c49410d167522804",
            ),
            "valid2id.txt": (
                "valid2id.txt",
                "dc7ed39aa14e35a2f7ac09a0ff046067ee0e0d7953f8a204f04e7c09776095b1",
            ),
            "test2id.txt": (
                "test2id.txt",
                "15f28535d04f3711b739a49d824f2346167384283cde57123376392d418ad6de",
            ),
        },
        _NO_FEATURES,
    ),
    "MKGC/MKG-W": Published(
        f"{_NATIVE}/MKG-W",
        {
            "entity2id.txt": (
                "entity2id.txt",
                "d94b546efcb535d8253821626dd32f3ee876b2f263b727a4a446bc74697785df",
            ),
            "relation2id.txt": (
                "relation2id.txt",
                "204203e03a92d4f973ee815449695bcfaae1b6917fcb08b65f3b0fb071a47f61",
            ),
            "train2id.txt": (
                "train2id.txt",
                "a9f316506a20a7b5bef7de3ceaaa1e82de554b8e92e6aa26e7cb54bcd8ada53d",
            ),
            "valid2id.txt": (
                "valid2id.txt",
                "34dd556893b8e4832600298864dbd18012529a1f172793c21e45ad7bdee9d189",
            ),
            "test2id.txt": (
                "test2id.txt",
                "0e1294b1f95c8ef80ad422aeefafea321d16c1d127570e6bb566882b2e053989",
            ),
        },
        _NO_FEATURES,
    ),
}

# What a person has to fetch: from where, and where it goes below the root.
BY_HAND: dict[str, str] = {
    "DBP15K/fr_en": (
        "Open https://github.com/zjukg/MEAformer, follow its link to the data, and unpack DBP15K/fr_en into "
        "ROOT/DBP15K/fr_en, its image features (pkls/fr_en_GA_id_img_feature_dict.pkl) into ROOT/pkls."
    ),
    "FBDB15K/norm": (
        "Open https://github.com/zjukg/MEAformer, follow its link to the data, and unpack FBDB15K/norm into "
        "ROOT/FBDB15K/norm, pkls/FBDB15K_id_img_feature_dict.pkl into ROOT/pkls. The graphs themselves come "
        "from https://github.com/mniepert/mmkb."
    ),
    "FBYG15K/norm": (
        "Open https://github.com/zjukg/MEAformer, follow its link to the data, and unpack FBYG15K/norm into "
        "ROOT/FBYG15K/norm, pkls/FBYG15K_id_img_feature_dict.pkl into ROOT/pkls."
    ),
    "OpenEA": (
        "Open https://github.com/zjukg/UMAEA, follow its link to the data, and unpack OpenEA into "
        "ROOT/OpenEA: the four folders OEA_… and pkl/ with their image features."
    ),
}
