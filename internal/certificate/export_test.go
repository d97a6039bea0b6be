package certificate

// ReadSteps is [Read], and the steps that it took.
var ReadSteps = read
