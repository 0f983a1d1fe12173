#!/bin/sh
# Write the files of this folder with LibreOffice Calc. They are kept; the tests do not run this.
#
# Calc shows some times of day beside a date a second early, and a minute early without seconds: 12:30 on 1969-12-31 is 12:29
# in german.csv and 12:29:59 in german_contents.csv. Those are the values that the files have.
#
# What is typed into a sheet comes from a CSV, which Calc reads as a user's input in the language of its settings.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
soffice --version

# Settings of a user of a language.
settings() {
    mkdir -p "$1/user"
    cat > "$1/user/registrymodifications.xcu" <<END
<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>$1</value></prop></item>
</oor:items>
END
}
# convert LANGUAGE TO FILE [FROM]: filters in the form of `--convert-to`.
convert() {
    soffice "-env:UserInstallation=file://$scratch/$1" --headless ${4:+"--infilter=$4"} --convert-to "$2" "$3" >/dev/null 2>&1
}
csv="csv:Text - txt - csv (StarCalc)"

# The second column is text (2); formulas are computed.
settings en-US
cat > orders.csv <<'END'
id,code,note,price,amount,share,day,at,opens,took,paid,total,broken
1,007,"O'Neil, ""Bob""",0.1,"1,234.50",50%,2024-02-29,2024-02-29 13:05:06,8:05:00,26:00:00,TRUE,=A2*2,=1/0
2,NA,,,,,,,,,,=A3*2,
-3,,"Zoë
line two",1E+300,-0.01,8.125%,1969-12-31,1899-12-31 12:00:00,23:59:59,0:00:01,FALSE,=1/3,1
4,x, padded ,0.30000000000000004,"$12.50",0%,9999-12-31,1969-12-31 23:59:59,0:00:00,100:30:00,TRUE,=A5,0
END
convert en-US ods orders.csv 'CSV:44,34,76,1,1/1/2/2,1033,false,true,false,false,,true'
convert en-US 'xlsx:Calc MS Excel 2007 XML' orders.ods
convert en-US "$csv:44,34,76" orders.ods
cp orders.csv orders.xlsx "$folder"

# Two files of each language: as shown, which is the default, and with the ninth token of the filter, the cells' contents.
typed() {
    settings "$1"
    cat > "$2.csv"
    convert "$1" ods "$2.csv" 'CSV:59,34,76,1,1/1/2/2,0,false,true'
    convert "$1" "$csv:59,34,$3" "$2.ods"
    cp "$2.csv" "$folder"
    convert "$1" "$csv:59,34,$3,1,,0,false,true,false" "$2.ods"
    cp "$2.csv" "$folder/$2_contents.csv"
}
typed de-DE german 1 <<'END'  # 1: Windows-1252
Nr;Artikel;Preis;Menge;Anteil;Tag;Zeitpunkt;Uhrzeit;Dauer;Bezahlt
1;Öl, 5 l;1.234,50;0,1;50%;29.02.2024;29.02.2024 13:05:06;08:05;26:00:00;WAHR
2;;;;;;;;;
-3;"Kabel ""rot""";-0,01;1E+20;8,125%;31.12.1969;01.01.2024 00:00:00;23:59;00:00:01;FALSCH
4;Größe;12,50 €;3;0%;01.01.2000;31.12.1969 12:30:00;00:00;100:30:00;WAHR
END
typed fr-FR french 76 <<'END'  # 76: UTF-8
Nr;Article;Prix;Part;Jour;Instant;Payé
1;Pâté;1234,5;50%;29/02/2024;29/02/2024 13:05:06;VRAI
2;;;;;;
-3;"Câble ""rouge""";-0,01;8,125%;31/12/1969;01/01/2024 00:00:00;FAUX
END
