"""What a laboratory's report says, row by row: words, figures, codes and limits, read alike from HL7 v2 and FHIR."""
