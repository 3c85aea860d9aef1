"""
Fitting: which knobs turn these raws into these finished pictures?

    raws, pictures --pairs--> small mosaics, each with its picture laid over it
                   --search--> one profile that comes nearest to all of them
                   --report--> how near it came, and what no knob explains
"""
