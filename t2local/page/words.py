"""The words on the page that are no plain English, each with its meaning in a sentence.

They stand under the cursor where a word is first used, folded at the end of the page, and in
docs/glossary.md.
"""

WORDS = {
    "95 % interval": "the range in which the true figure lies in about 95 of 100 such tables",
    "association": "how strongly two columns go together: 0 is not at all, 1 is that one follows "
    "from the other",
    "AUC": "of two rows of different classes, how often a model puts the right one higher: 0.5 is "
    "guessing, 1 is perfect",
    "beyond chance": "a larger difference than when as many real rows are drawn again, in at least "
    "95 of 100 cases",
    "class": "one of the answers in the column that is to be predicted, such as yes and no",
    "ensemble": "the mean of a linear model and of many decision trees, a strong model of a small "
    "table",
    "held-out rows": "real rows that a model has not seen, so that it cannot know them by heart",
    "inference": "to guess one column of a person from the others",
    "kept rows": "the synthetic rows that passed all stages; they are in synthetic.csv",
    "linear model": "a logistic regression, or for numbers a ridge regression",
    "linkability": "to find out that two parts of a record belong to the same person",
    "oversampling": "to repeat the real rows of rare classes until all classes are equally common: "
    "it costs nothing, so synthetic rows should do better",
    "plan": "which columns are written together, and in which order",
    "seed": "the number that chance starts from: the same seed gives the same rows",
    "singling out": "to describe a person so that exactly one row of the table fits",
    "stage": "one of the checks that each written row has to pass",
    "token": "a piece of a word, as the language model reads and writes it",
    "worker": "the language model with a part of the columns",
}
