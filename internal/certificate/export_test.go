package certificate

// ReadSteps is [Read], and the steps that it took.
var ReadSteps = read

// Squares shows the QR code to the tests.
var Squares = squares
