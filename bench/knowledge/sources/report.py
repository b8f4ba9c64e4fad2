"""The tables on which results are reported: no choice may look at them.

Each has 1,000 rows or more. Their shares of the rare class, columns and difficulty are alike those
of the tables in `bench.knowledge.sources.choose` (`python -m bench.knowledge.tables`).
"""

from bench.knowledge.sources.source import (
    FOLLOW_UP,
    ID,
    NO_YES,
    OUTCOME,
    YEAR,
    Source,
    coded,
    event_within,
)

#: Columns of NHEFS.
_HALF_MISSING = ["hbp", "diabetes", "pica", "hbpmed", "boweltrouble", "pregnancies"]
_NOT_NEEDED = (
    *("income", "marital", "birthplace", "birthcontrol"),
    *("tb", "hf", "pepticulcer", "colitis", "hepatitis", "chroniccough", "hayfever", "polio"),
    *("tumor", "nervousbreak", "headache", "otherpain", "weakheart", "allergies", "nerves"),
    *("lackpep", "wtloss", "infection"),
    *("alcoholpy", "alcoholfreq", "alcoholtype", "alcoholhowmuch"),
    *("hightax82", "price71", "price82", "tax71", "tax82", "price71_82", "tax71_82"),
)

REPORT = (
    Source(
        "rotterdam",
        "survival/rotterdam",
        "Patients with primary breast cancer, Rotterdam tumour bank",
        "relapse_or_death_within_5_years",
        # As the documentation of the package has it: the relapse, else the death.
        lambda raw: event_within(
            5 * YEAR, "free", lambda rows: (rows["recur"] == 1) | (rows["death"] == 1)
        )(raw.assign(free=raw["rtime"].where(raw["recur"] == 1, raw["dtime"]))),
        {
            "year": "year_of_surgery",
            "age": "age_at_surgery",
            "meno": ("menopause", {0: "premenopausal", 1: "postmenopausal"}),
            "size": (
                "tumor_size",
                {"<=20": "at most 20 mm", "20-50": "20 to 50 mm", ">50": "over 50 mm"},
            ),
            "grade": ("differentiation_grade", {2: "grade 2", 3: "grade 3"}),
            "nodes": "positive_lymph_nodes",
            "pgr": "progesterone_receptors_fmol",
            "er": "estrogen_receptors_fmol",
            "hormon": ("hormonal_treatment", NO_YES),
            "chemo": ("chemotherapy", NO_YES),
        },
        {
            "rownames": ID,
            "pid": ID,
            "rtime": FOLLOW_UP,
            "dtime": FOLLOW_UP,
            "recur": OUTCOME,
            "death": OUTCOME,
        },
    ),
    Source(
        "health_insurance",
        "AER/HealthInsurance",
        "Workers in the Medical Expenditure Panel Survey, USA 1996",
        "uninsured",
        coded("insurance", {"yes": "no", "no": "yes"}),
        {
            "health": "healthy",
            "age": "age_years",
            "limit": "limited_by_health",
            "gender": "gender",
            "married": "married",
            "selfemp": "self_employed",
            "family": "family_size",
            "region": "region",
            "ethnicity": (
                "ethnicity",
                {"afam": "African-American", "cauc": "Caucasian", "other": "other"},
            ),
            "education": (
                "highest_degree",
                {
                    "none": "no degree",
                    "ged": "high school equivalent",
                    "highschool": "high school",
                    "bachelor": "bachelor",
                    "master": "master",
                    "phd": "doctorate",
                    "other": "other",
                },
            ),
        },
        {"rownames": ID, "insurance": OUTCOME},
    ),
    Source(
        "births14",
        "openintro/births14",
        "Births in the USA in 2014, a random sample",
        "premature",
        coded("premie", {"full term": "no", "premie": "yes"}),
        {
            "fage": "father_age",
            "mage": "mother_age",
            "visits": "hospital_visits_in_pregnancy",
            "gained": "weight_gained_pounds",
            "sex": "sex_of_baby",
            "habit": "mother_smoking",
            "marital": "mother_marital_status",
            "whitemom": "mother_race",
        },
        {
            "rownames": ID,
            "mature": "whether the mother is 35 or older",
            "weeks": "the outcome in weeks",
            "premie": OUTCOME,
            **dict.fromkeys(["weight", "lowbirthweight"], "known after the outcome"),
        },
    ),
    Source(
        "nhefs",
        "causaldata/nhefs",
        "Smokers of a health survey in 1971, followed until 1992 (NHEFS)",
        "died_by_1992",
        coded("death", NO_YES),
        {
            "sex": ("sex", {0: "male", 1: "female"}),
            "age": "age_in_1971",
            "race": ("race", {0: "white", 1: "black or other"}),
            "education": (
                "education",
                {
                    1: "8th grade or less",
                    2: "high school dropout",
                    3: "high school",
                    4: "college dropout",
                    5: "college or more",
                },
            ),
            "smokeintensity": "cigarettes_per_day",
            "smokeyrs": "years_of_smoking",
            "qsmk": ("quit_smoking_by_1982", NO_YES),
            "active": (
                "active_in_usual_day",
                {0: "very active", 1: "moderately active", 2: "inactive"},
            ),
            "exercise": ("exercise", {0: "much", 1: "moderate", 2: "little or none"}),
            "sbp": "systolic_blood_pressure",
            "dbp": "diastolic_blood_pressure",
            "cholesterol": "cholesterol_mg_dl",
            "wt71": "weight_kg",
            "ht": "height_cm",
            "asthma": ("asthma", NO_YES),
            "bronch": ("chronic_bronchitis", NO_YES),
        },
        {
            **dict.fromkeys(["rownames", "seqn", "id"], ID),
            **dict.fromkeys(["yrdth", "modth", "dadth"], "date of the death"),
            **dict.fromkeys(["wt82", "wt82_71", "smkintensity82_71", "censored"], "from 1982"),
            **dict.fromkeys(["school", "older"], "another kept column in classes"),
            **dict.fromkeys(_HALF_MISSING, "missing for half of the people"),
            **dict.fromkeys(_NOT_NEEDED, "one of many of its kind"),
            "death": OUTCOME,
        },
        decimals={"weight_kg": 0, "height_cm": 0},
    ),
    Source(
        "flchain",
        "survival/flchain",
        "Residents of Olmsted County aged 50 or more, assay of serum free light chains",
        "died_within_10_years",
        event_within(10 * YEAR, "futime", "death"),
        {
            "age": "age_years",
            "sex": ("sex", {"F": "female", "M": "male"}),
            "sample.yr": "year_of_sample",
            "kappa": "free_light_chain_kappa_mg_dl",
            "lambda": "free_light_chain_lambda_mg_dl",
            "creatinine": "creatinine_mg_dl",
            "mgus": ("monoclonal_gammopathy", NO_YES),
        },
        {
            "rownames": ID,
            "flc.grp": "the light chains in tenths",
            "futime": FOLLOW_UP,
            "death": OUTCOME,
            "chapter": "cause of death",
        },
    ),
)
