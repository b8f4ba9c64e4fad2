"""The tables by which settings of t2local are chosen."""

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

_DRUGS = (
    *("Alcohol", "Amphet", "Amyl", "Benzos", "Caff", "Cannabis", "Choc", "Coke", "Crack"),
    *("Ecstasy", "Heroin", "Ketamine", "Legalh", "LSD", "Meth", "Mushrooms", "Nicotine", "VSA"),
)
_SCORES = {
    "Nscore": "neuroticism",
    "Escore": "extraversion",
    "Oscore": "openness",
    "AScore": "agreeableness",
    "Cscore": "conscientiousness",
    "Impulsive": "impulsiveness",
    "SS": "sensation_seeking",
}
#: UCI 373: never, over ten years ago, in the last ten years, last year, month, week, day.
_LAST_YEAR = {f"CL{code}": "yes" if code >= 3 else "no" for code in range(7)}

CHOOSE = (
    Source(
        "titanic",
        "titanic.csv",
        "Passengers of the Titanic, 1912",
        "survived",
        coded("Survived", NO_YES),
        {
            "Pclass": ("travel_class", {1: "first", 2: "second", 3: "third"}),
            "Sex": "sex",
            "Age": "age_years",
            "SibSp": "siblings_or_spouses_aboard",
            "Parch": "parents_or_children_aboard",
            "Fare": "fare_pounds",
            "Embarked": (
                "port_of_embarkation",
                {"S": "Southampton", "C": "Cherbourg", "Q": "Queenstown"},
            ),
        },
        {
            "PassengerId": ID,
            "Name": ID,
            "Ticket": ID,
            "Cabin": "three quarters are missing",
            "Survived": OUTCOME,
        },
        decimals={"fare_pounds": 2},
    ),
    Source(
        "compas",
        "compas_readable_9feat.csv",
        "Defendants in Broward County, Florida, scored by COMPAS (ProPublica)",
        "arrested_again_within_2_years",
        coded("two_year_recid", NO_YES),
        {
            "sex": "sex",
            "age": "age_years",
            "race": "race",
            "juv_fel_count": "juvenile_felonies",
            "juv_misd_count": "juvenile_misdemeanors",
            "juv_other_count": "other_juvenile_offenses",
            "priors_count": "prior_offenses",
            "c_charge_degree": ("charge_degree", {"F": "felony", "M": "misdemeanor"}),
        },
        {"age_cat": "age in classes", "two_year_recid": OUTCOME},
    ),
    Source(
        "mgus2",
        "survival/mgus2",
        "Patients with monoclonal gammopathy of undetermined significance, Mayo Clinic",
        "died_within_3_years",
        event_within(36, "futime", "death"),
        {
            "age": "age_at_diagnosis",
            "sex": ("sex", {"F": "female", "M": "male"}),
            "dxyr": "year_of_diagnosis",
            "hgb": "hemoglobin_g_dl",
            "creat": "creatinine_mg_dl",
            "mspike": "monoclonal_spike_g_dl",
        },
        {
            "rownames": ID,
            "id": ID,
            "ptime": FOLLOW_UP,
            "pstat": "progression after the diagnosis",
            "futime": FOLLOW_UP,
            "death": OUTCOME,
        },
    ),
    Source(
        "colon",
        "survival/colon",
        "Patients of a trial of chemotherapy after surgery for colon cancer",
        "died_within_2_years",
        event_within(2 * YEAR, "time", "status"),
        {
            "rx": (
                "treatment",
                {
                    "Obs": "observation",
                    "Lev": "levamisole",
                    "Lev+5FU": "levamisole and fluorouracil",
                },
            ),
            "sex": ("sex", {0: "female", 1: "male"}),
            "age": "age_years",
            "obstruct": ("obstruction_of_colon", NO_YES),
            "perfor": ("perforation_of_colon", NO_YES),
            "adhere": ("adherence_to_organs", NO_YES),
            "nodes": "positive_lymph_nodes",
            "differ": ("differentiation", {1: "well", 2: "moderate", 3: "poor"}),
            "extent": (
                "local_spread",
                {1: "submucosa", 2: "muscle", 3: "serosa", 4: "contiguous structures"},
            ),
            "surg": ("time_from_surgery", {0: "short", 1: "long"}),
        },
        {
            "rownames": ID,
            "id": ID,
            "study": "every cell has the same value",
            "node4": "more than four positive nodes, which contradicts their number in places",
            "time": FOLLOW_UP,
            "status": OUTCOME,
            "etype": "rows on recurrence are left out",
        },
        rows=("etype", 2),
    ),
    Source(
        "drug",
        "drug_consumption_decoded_1885.csv",
        "An online survey on personality and drugs (UCI 373); scores are standardised",
        "cocaine_in_the_last_year",
        coded("Coke", _LAST_YEAR),
        {
            "Age": "age_group",
            "Gender": ("gender", {"F": "female", "M": "male"}),
            "Education": "education",
            "Country": "country",
            "Ethnicity": "ethnicity",
            **_SCORES,
        },
        {
            "ID": ID,
            **dict.fromkeys(_DRUGS, "another drug"),
            "Coke": OUTCOME,
            "Semer": "who claims this drug, which does not exist, is left out",
        },
        decimals=dict.fromkeys(_SCORES.values(), 2),
        rows=("Semer", "CL0"),
    ),
)
