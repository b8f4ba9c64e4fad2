"""For people with a network: make the two real tables of the studies from their sources.

python -m bench.paper.download FOLDER         then set T2LOCAL_BENCH_DATA=FOLDER

A file that is already there as it should be is left alone; what is made is checked. Its sources,
when they lie in FOLDER too, are not fetched: drug_consumption_uci.data (UCI 373) and
compas-scores-two-years.csv (ProPublica).
"""

import hashlib
import sys
import urllib.request
from pathlib import Path

import pandas as pd

from bench.paper.data import CHECKSUMS

_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
_PROPUBLICA = "https://raw.githubusercontent.com/propublica/compas-analysis/bafff5da3f2e"
SOURCES = {
    "drug_consumption_uci.data": f"{_UCI}/00373/drug_consumption.data",
    "compas-scores-two-years.csv": f"{_PROPUBLICA}/compas-scores-two-years.csv",
}
NAMES = (
    "ID Age Gender Education Country Ethnicity Nscore Escore Oscore AScore Cscore Impulsive SS "
    "Alcohol Amphet Amyl Benzos Caff Cannabis Choc Coke Crack Ecstasy Heroin Ketamine Legalh LSD "
    "Meth Mushrooms Nicotine Semer VSA"
)
#: UCI's numbers for what people ticked.
CODES = {
    "Age": {
        -0.95197: "18-24",
        -0.07854: "25-34",
        0.49788: "35-44",
        1.09449: "45-54",
        1.82213: "55-64",
        2.59171: "65+",
    },
    "Gender": {-0.48246: "M", 0.48246: "F"},
    "Education": {
        -2.43591: "Left school before 16 years",
        -1.7379: "Left school at 16 years",
        -1.43719: "Left school at 17 years",
        -1.22751: "Left school at 18 years",
        -0.61113: "Some college or university, no certificate or degree",
        -0.05921: "Professional certificate/ diploma",
        0.45468: "University degree",
        1.16365: "Masters degree",
        1.98437: "Doctorate degree",
    },
    "Country": {
        -0.57009: "USA",
        -0.46841: "New Zealand",
        -0.28519: "Other",
        -0.09765: "Australia",
        0.21128: "Republic of Ireland",
        0.24923: "Canada",
        0.96082: "UK",
    },
    "Ethnicity": {
        -1.10702: "Black",
        -0.50212: "Asian",
        -0.31685: "White",
        -0.22166: "Mixed-White/Black",
        0.1144: "Other",
        0.126: "Mixed-White/Asian",
        1.90725: "Mixed-Black/Asian",
    },
}


def drug(source: Path) -> pd.DataFrame:
    """Drug consumption with the words for its numbers."""
    frame = pd.read_csv(source, header=None, names=NAMES.split(), dtype=str)
    return frame.assign(
        **{name: frame[name].astype(float).map(codes) for name, codes in CODES.items()}
    )


def compas(source: Path) -> pd.DataFrame:
    """COMPAS as OpenML 42192 has it.

    ProPublica's filter, two races, a group of columns for what has several values.
    """
    raw = pd.read_csv(source)
    keep = (
        raw["days_b_screening_arrest"].between(-30, 30)
        & (raw["is_recid"] != -1)
        & (raw["c_charge_degree"] != "O")
        & (raw["score_text"] != "N/A")
    )
    raw = raw[keep & raw["race"].isin(["African-American", "Caucasian"])]
    frame = pd.DataFrame({"sex": (raw["sex"] == "Male").astype(int)})
    for name in ("age", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count"):
        frame[name] = raw[name]
    groups = {
        "age_cat": ["25 - 45", "Greater than 45", "Less than 25"],
        "race": ["African-American", "Caucasian"],
        "c_charge_degree": ["F", "M"],
    }
    for column, levels in groups.items():
        for level in levels:
            name = f"{column}_{level.replace(' ', '')}"
            frame[name] = (raw[column] == level).astype(int)
    return frame.assign(twoyearrecid=raw["two_year_recid"])


TABLES = {
    "drug_consumption_decoded_1885.csv": ("drug_consumption_uci.data", drug),
    "compas_openml42192_rebuilt.csv": ("compas-scores-two-years.csv", compas),
}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (source, make) in TABLES.items():
        if _as_it_should_be(folder / name):
            print(f"{name}: there")
            continue
        if not (folder / source).is_file():
            with urllib.request.urlopen(SOURCES[source]) as answer:
                (folder / source).write_bytes(answer.read())
        make(folder / source).to_csv(folder / name, index=False, lineterminator="\r\n")
        wrong = ", and its hash is not the expected one: the studies will refuse it"
        print(f"{name}: made{'' if _as_it_should_be(folder / name) else wrong}")


def _as_it_should_be(path: Path) -> bool:
    if not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] == CHECKSUMS[path.name]


if __name__ == "__main__":
    main()
